//! The tools, and the selection of them that a caller has.

pub mod parameter;
pub mod selection;
pub mod table;
pub mod tool;
mod whole;
