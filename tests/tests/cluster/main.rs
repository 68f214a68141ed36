//! Whole clusters, started in this process on ports that the system chooses.

#![allow(clippy::print_stdout, reason = "figures, and why something is skipped")]

mod access;
mod cluster;
mod journey;
mod process;
mod writers;
