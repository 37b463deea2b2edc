//! The toolset `wit`: work items.

use vault::integrations::Toolset::Wit;

use crate::crafted;
use crate::engine::links::KINDS;
use crate::tools::parameter::{
    AREA, CONTENT, DESCRIPTION, FIELDS, ID, IDS, ITERATION, Kind, LIMIT, MOST_ENTRIES, NAME, NEXT,
    PATH, PROJECT, Parameter, SHOW_FIELDS, TEXT, TITLE,
};
use crate::tools::tool::{Effect, Paging, Tool};

const ASSIGNED_TO: Parameter =
    Parameter::new("assigned_to", Kind::Text).about("`me`, e-mail or name");
const BASE64: Parameter = Parameter::new("base64", Kind::Boolean).about("content is base64");
const CHANGED_SINCE: Parameter = Parameter::new("changed_since", Kind::Text).about("Date or time");
const COMMENT: Parameter = Parameter::new("comment", Kind::Text);
const COMMENT_ID: Parameter =
    Parameter::new("comment", Kind::Integer { most: None }).about("Id, to edit it");
const COMMENTS: Parameter = Parameter::new("comments", Kind::Boolean);
const EXPECT_REV: Parameter = Parameter::new("expect_rev", Kind::Integer { most: None });
const KIND: Parameter = Parameter::new("kind", Kind::OneOf(&KINDS));
const PARENT: Parameter = Parameter::new("parent", Kind::Integer { most: None });
const QUERY: Parameter = Parameter::new("query", Kind::Text).about("Id or path of a saved query");
const REMOVE: Parameter = Parameter::new("remove", Kind::Boolean);
const STATE: Parameter = Parameter::new("state", Kind::Text).about("Or `open`");
const TAG: Parameter = Parameter::new("tag", Kind::Text);
const TO: Parameter = Parameter::new("to", Kind::List { of: &Kind::Text, most: 50 })
    .about("Work item ids, or addresses as in the browser");
const TYPE: Parameter = Parameter::new("type", Kind::Text);
const UPDATE: Kind = Kind::Record(&[ID.required(), FIELDS.required()]);
const UPDATES: Parameter =
    Parameter::new("updates", Kind::List { of: &UPDATE, most: MOST_ENTRIES });
const URL: Parameter = Parameter::new("url", Kind::Text);
const WIQL: Parameter = Parameter::new("wiql", Kind::Text);

pub(super) const TOOLS: &[Tool] = &[
    Tool::new("query_work_items", Wit, "Work items by filter, by WIQL, or by a saved query.")
        .takes(&[
            PROJECT, ASSIGNED_TO, TYPE, STATE, AREA, ITERATION, TAG, TEXT, CHANGED_SINCE, WIQL, QUERY, SHOW_FIELDS,
            LIMIT, NEXT,
        ])
        .steps(crafted::query_work_items),
    Tool::new("get_work_item", Wit, "A work item with its texts, links and, if asked for, comments.")
        .takes(&[ID.required(), COMMENTS, SHOW_FIELDS])
        .steps(crafted::get_work_item),
    Tool::new("get_work_items", Wit, "Several work items by id.")
        .takes(&[IDS.required(), SHOW_FIELDS])
        .steps(crafted::get_work_items),
    Tool::new("list_work_item_comments", Wit, "A work item's comments, newest first.")
        .takes(&[PROJECT.required(), ID.required(), LIMIT, NEXT])
        .get("/{project}/_apis/wit/workItems/{id}/comments?api-version=7.2-preview.4")
        .query(&[("order", "=desc")])
        .items("comments")
        .pages(Paging::Token)
        .shows("id by:createdBy.displayName at:createdDate|time text|md:format"),
    Tool::new("list_work_item_changes", Wit, "Who changed what in a work item, and when.")
        .takes(&[PROJECT.required(), ID.required(), LIMIT, NEXT])
        .get("/{project}/_apis/wit/workItems/{id}/updates")
        .pages(Paging::Skip)
        .shows(
            "rev by:revisedBy.displayName at:fields.System\\.ChangedDate.newValue|time fields|changes \
             linked:relations.added|links unlinked:relations.removed|links",
        ),
    Tool::new("get_work_item_type", Wit, "A work item type's fields and states; without a type, the types.")
        .takes(&[PROJECT.required(), TYPE])
        .steps(crafted::get_work_item_type),
    Tool::new("list_queries", Wit, "Saved queries below a folder.")
        .takes(&[PROJECT.required(), PATH])
        .get("/{project}/_apis/wit/queries/{path|segments?}")
        .query(&[("$depth", "=2")])
        .shows(
            "id name path folder:isFolder children[id name path folder:isFolder children[id name path folder:isFolder]]",
        ),
    Tool::new("create_work_item", Wit, "Creates a work item, if asked for below a parent.")
        .takes(&[PROJECT.required(), TYPE.required(), TITLE.required(), DESCRIPTION, FIELDS, PARENT])
        .has(Effect::Adds)
        .steps(crafted::create_work_item),
    Tool::new(
        "update_work_item",
        Wit,
        "Changes fields of a work item; `expect_rev` refuses if someone else was faster.",
    )
    .takes(&[ID.required(), FIELDS.required(), COMMENT, EXPECT_REV])
    .has(Effect::Changes)
    .steps(crafted::update_work_item),
    Tool::new("update_work_items", Wit, "Changes fields of several work items in one call.")
        .takes(&[UPDATES.required()])
        .has(Effect::Changes)
        .steps(crafted::update_work_items),
    Tool::new("comment_on_work_item", Wit, "Adds a comment, or edits one.")
        .takes(&[PROJECT.required(), ID.required(), CONTENT.required(), COMMENT_ID])
        .has(Effect::Adds)
        .steps(crafted::comment_on_work_item),
    Tool::new(
        "link_work_item",
        Wit,
        "Links a work item to others, to a pull request, branch, commit, build, wiki page or address; or removes links.",
    )
    .takes(&[ID.required(), TO.required(), KIND.required(), REMOVE, COMMENT])
    .has(Effect::Changes)
    .steps(crafted::link_work_item),
    Tool::new(
        "get_attachment",
        Wit,
        "An attachment or an inline image of a work item or pull request: an image as an image, text as text.",
    )
    .takes(&[PROJECT.required(), URL.required()])
    .steps(crafted::get_attachment),
    Tool::new("add_attachment", Wit, "Attaches a file to a work item.")
        .takes(&[PROJECT.required(), ID.required(), NAME.required(), CONTENT.required(), BASE64])
        .has(Effect::Adds)
        .steps(crafted::add_attachment),
];
