//! The `reverie` command: client commands, the local cluster, and the service roles.

pub mod address;
pub mod arguments;
pub mod commands;
pub mod exit;
pub mod output;
pub mod process;
