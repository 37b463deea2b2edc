//! The steps of tools that are more than one call.

mod who_am_i;

pub(crate) use who_am_i::who_am_i;
