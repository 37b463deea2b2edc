//! The toolset `wiki`.

use vault::integrations::Toolset::Wiki;

use crate::crafted;
use crate::tools::parameter::{CONTENT, Kind, NEXT, PATH, PROJECT, Parameter, URL, WIKI};
use crate::tools::tool::{Effect, Tool};

const VERSION: Parameter =
    Parameter::new("version", Kind::Text).about("From get_wiki_page; needed if it exists");

pub(super) const TOOLS: &[Tool] = &[
    Tool::new("list_wikis", Wiki, "Wikis of a project, or of all.")
        .takes(&[PROJECT])
        .get("/{project?}/_apis/wiki/wikis")
        .shows(
            "name id type project:projectId repository:repositoryId path:mappedPath url:remoteUrl",
        ),
    Tool::new("list_wiki_pages", Wiki, "Pages of a wiki, below a path.")
        .takes(&[PROJECT.required(), WIKI.required(), PATH, NEXT])
        .steps(crafted::list_wiki_pages),
    Tool::new("get_wiki_page", Wiki, "A wiki page by path, or by its address in the browser.")
        .takes(&[PROJECT, WIKI, PATH, URL])
        .steps(crafted::get_wiki_page),
    Tool::new("write_wiki_page", Wiki, "Creates a page, or replaces it as it was read.")
        .takes(&[PROJECT.required(), WIKI.required(), PATH.required(), CONTENT.required(), VERSION])
        .has(Effect::Destroys)
        .steps(crafted::write_wiki_page),
];
