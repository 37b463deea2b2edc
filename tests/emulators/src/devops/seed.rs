//! The organizations at the start, and their content.

use bytes::Bytes;
use uuid::Uuid;

use super::builds::{Build, Definition};
use super::classification::Group;
use super::git::pull_requests::PullRequest;
use super::git::{Author, Repository};
use super::organizations::{Access, Organization, seed_time};
use super::wiki::Page;
use super::work_items::WorkItem;
use crate::entra::{TENANT_A, TENANT_B};

/// `mycompany` and `fabrikam` in tenant A, `contoso` in tenant B.
pub(crate) fn organizations() -> Vec<Organization> {
    vec![mycompany(), fabrikam(), contoso()]
}

fn mycompany() -> Organization {
    let mut organization = Organization::new("mycompany", TENANT_A);
    organization.members.insert("ada".into(), Access::Contributor);
    organization.members.insert("grace".into(), Access::Reader);
    let website = organization.add_project("Website", "The public website");
    organization.add_project("Payments Service", "Card payments");
    organization.add_project("Data Platform", "");
    let author = ada();
    if let Some(repository) =
        organization.repositories.iter_mut().find(|repository| repository.name == "Website")
    {
        write_website(repository, &author);
    }
    organization.pull_requests.push(PullRequest::seeded(
        1,
        &organization.repositories[0],
        "feature/login",
        "main",
    ));
    for (id, kind, title, state) in [
        (1, "Epic", "Sign-in", "Active"),
        (2, "User Story", "Sign in with a work account", "Active"),
        (3, "Task", "Write the sign-in page", "New"),
        (4, "Task", "Review the redirect URI", "Closed"),
        (5, "Bug", "Sign-out leaves a cookie", "New"),
    ] {
        organization
            .work_items
            .insert(id, WorkItem::seeded(id, website, "Website", kind, title, state));
    }
    plan(&mut organization, website);
    organization.wiki_pages.push(Page::new(1, website, "/Home", "# Welcome\n"));
    let guide = Page::new(2, website, "/Home/Onboarding guide", "# Onboarding\n");
    organization.wiki_pages.push(guide);
    organization.definitions.push(Definition::new(12, website, "website-ci"));
    organization.definitions.push(Definition::new(13, website, "website-release"));
    for id in 41..=45 {
        organization.builds.push(Build::seeded(id, website, 12));
    }
    organization
}

/// Adds areas and iterations. One iteration is long, so that it stays the current one.
fn plan(organization: &mut Organization, project: Uuid) {
    for path in ["Front end", "Parent", "Parent\\Child", "R&D; 50% more", "営業／開発"] {
        organization.add_node(project, Group::Areas, path, None);
    }
    for (name, start, finish) in [
        ("Sprint 1", "2025-12-01T00:00:00Z", "2025-12-31T00:00:00Z"),
        ("Sprint 2", "2026-01-01T00:00:00Z", "2039-12-31T00:00:00Z"),
        ("Sprint 3", "2040-01-01T00:00:00Z", "2040-01-31T00:00:00Z"),
    ] {
        let node = organization.add_node(project, Group::Iterations, name, Some((start, finish)));
        organization.boards.iterations.push(node.id());
    }
}

fn write_website(repository: &mut Repository, author: &Author) {
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let first = vec![
        ("/README.md".to_owned(), Some(text("# Website\n\nThe public website of mycompany.\n"))),
        ("/src/index.html".to_owned(), Some(text("<h1>Hello, Ada</h1>\n"))),
        ("/src/app.js".to_owned(), Some(text("console.log(\"hello\");\n"))),
        (
            "/assets/logo.bin".to_owned(),
            Some(Bytes::from_static(&[0x89, b'P', b'N', b'G', 0, 0xff, 0xfe, b'\r', b'\n'])),
        ),
    ];
    let main = repository.commit(None, first, "Begin the website", author, seed_time());
    let login = vec![("/src/login.html".to_owned(), Some(text("<h1>Sign in</h1>\n")))];
    let feature = repository.commit(Some(&main), login, "Add a sign-in page", author, seed_time());
    let docs = vec![("/docs/Guide.md".to_owned(), Some(text("# Guide\n")))];
    let documented = repository.commit(Some(&main), docs, "Add a guide", author, seed_time());
    repository.refs.insert("refs/heads/main".into(), main.clone());
    repository.refs.insert("refs/heads/feature/login".into(), feature);
    repository.refs.insert("refs/heads/docs".into(), documented);
    repository.refs.insert("refs/tags/v1.0".into(), main);
}

fn fabrikam() -> Organization {
    let mut organization = Organization::new("fabrikam", TENANT_A);
    organization.members.insert("ada".into(), Access::Contributor);
    organization.members.insert("barbara".into(), Access::Contributor);
    let fiber = organization.add_project("Fabrikam Fiber", "");
    organization
        .work_items
        .insert(1, WorkItem::seeded(1, fiber, "Fabrikam Fiber", "Task", "Lay the cable", "New"));
    organization
}

fn contoso() -> Organization {
    let mut organization = Organization::new("contoso", TENANT_B);
    organization.members.insert("edsger".into(), Access::Contributor);
    organization.members.insert("barbara".into(), Access::Contributor);
    let portal = organization.add_project("Portal", "");
    organization
        .work_items
        .insert(1, WorkItem::seeded(1, portal, "Portal", "Task", "Open the portal", "New"));
    organization
}

fn ada() -> Author {
    Author { name: "Ada Lovelace".into(), email: "ada@mycompany.example".into() }
}
