//! Whole clusters, started in this process on ports that the system chooses.

mod access;
mod cluster;
mod journey;
mod process;
mod trace;
mod writers;
