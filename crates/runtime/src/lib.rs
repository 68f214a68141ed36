//! The process around a Reverie service: configuration, authentication, layers, telemetry, health,
//! reflection, drain. Knows no service by name.

pub mod auth;
pub mod clock;
pub mod config;
mod deadline;
mod drain;
pub mod front;
mod layer;
pub mod memory;
pub mod metrics;
mod overload;
mod panic;
pub mod refusal;
mod rpc;
pub mod server;
pub mod task;
pub mod telemetry;
pub mod trace;
