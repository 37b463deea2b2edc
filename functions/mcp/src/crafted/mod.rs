//! The steps of tools that are more than one call.

mod addresses;
mod anything;
mod boards;
mod builds;
mod changed_file;
mod diffs;
mod files;
mod iterations;
mod lines;
mod pipelines;
mod pull_requests;
mod review;
mod tests_of_plans;
mod who_am_i;
mod wiki;
mod work_items;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::engine::arguments::Arguments;
use crate::engine::blocks::Blocks;
use crate::engine::failure::Failure;
use crate::engine::session::Session;

/// Makes functions of steps out of asynchronous functions of the same names, which return JSON or blocks.
macro_rules! steps {
    ($($module:ident::$name:ident,)*) => {
        $(
            pub(crate) fn $name<'a>(
                session: &'a Session<'_>,
                arguments: &'a Arguments,
            ) -> BoxFuture<'a, Result<Blocks, Failure>> {
                async move { Ok($module::$name(session, arguments).await?.into()) }.boxed()
            }
        )*
    };
}

steps! {
    builds::change_build,
    builds::get_build,
    builds::get_build_log,
    diffs::get_diff,
    diffs::get_pull_request_diff,
    files::create_branch,
    files::get_file,
    files::push_files,
    pipelines::create_pipeline,
    pipelines::rename_pipeline,
    pull_requests::get_pull_request,
    pull_requests::list_pull_request_threads,
    review::change_pull_request_reviewers,
    review::comment_on_pull_request,
    review::update_pull_request_thread,
    who_am_i::who_am_i,
    work_items::query_work_items,
    work_items::get_work_item,
    work_items::get_work_items,
    work_items::get_work_item_type,
    work_items::create_work_item,
    work_items::update_work_item,
    work_items::update_work_items,
    work_items::comment_on_work_item,
    work_items::link_work_item,
    work_items::get_attachment,
    work_items::add_attachment,
    wiki::list_wiki_pages,
    wiki::get_wiki_page,
    wiki::write_wiki_page,
    iterations::list_iterations,
    iterations::create_iteration,
    boards::list_backlog_items,
    boards::get_team_settings,
    boards::get_capacity,
    boards::set_capacity,
    boards::reorder_backlog,
    tests_of_plans::list_test_results,
    tests_of_plans::write_test_case,
    anything::get_anything,
    anything::send_anything,
}
