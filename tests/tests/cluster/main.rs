//! Whole clusters, started in this process on ports that the system chooses.

#![allow(clippy::print_stdout, reason = "figures, and why something is skipped")]

mod access;
mod adoption;
mod calls;
mod cancel;
mod cluster;
mod crash;
mod dreamt;
mod journey;
mod lease;
mod outage;
mod parts;
mod process;
mod requests;
mod search;
mod writers;
