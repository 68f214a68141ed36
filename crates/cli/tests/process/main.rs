//! The `reverie` binary as people and supervisors meet it: real processes, signals, exit codes.

mod backup;
mod portability;
mod redaction;
mod run;
mod search;
mod serve;
mod up;
