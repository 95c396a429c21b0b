//! What a function that runs in the loop has of the broker.

use crate::Registry;
use crate::store::HandleStore;
use std::any::Any;
use std::time::Duration;

/// The broker, as far as every module may know it.
pub trait Host {
    /// Every module there is.
    fn registry(&self) -> &Registry;
    /// Time since the start.
    fn uptime(&self) -> Duration;
    /// Live handles.
    fn handle_store(&mut self) -> &mut HandleStore;
    /// The broker itself, for functions about it that come with it.
    fn itself(&mut self) -> &mut dyn Any;
}
