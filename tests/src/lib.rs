//! What several tests need, and no crate of the product.

pub mod faulty;
