//! Ordered bytes with conditional, atomic, durable commits. Imports nothing of ours.

pub mod engine;
