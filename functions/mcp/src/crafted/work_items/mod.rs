//! Tools for work items.

mod artifacts;
mod attachments;
mod fields;
mod linking;
mod query;
mod reading;
mod shown;
mod wiql;
mod writing;

pub(super) use attachments::{add_attachment, get_attachment};
pub(super) use linking::link_work_item;
pub(super) use query::{listed, query_work_items};
pub(super) use reading::{get_work_item, get_work_item_type, get_work_items};
pub(super) use writing::{
    Target, comment_on_work_item, create_work_item, operations, patched, update_work_item,
    update_work_items,
};
