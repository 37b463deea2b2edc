//! What was entered in the long form of an integration while the session ended: registering an app in Entra can take
//! longer than a session lasts. It is carried through signing in and shown again, but for secrets.
//!
//! ```text
//!  form ──> no session ──> sign-in page, with the fields hidden in it ──> signed in: the new session has them as a draft
//!                                                            form?draft=1 <── 303 ──┘
//! ```
//!
//! Nothing is stored for anybody who is not signed in.

use secrecy::SecretString;
use vault::sessions::Draft;

use super::Visit;
use super::form::Form;
use super::session::is_of_session;

/// What the address of a form says when it is to show the draft: others show it empty, or as it is stored.
const DRAFT: &str = "draft=1";

/// The fields of a form, without secrets; often none.
#[derive(Default)]
pub(super) struct Kept(Vec<(String, String)>);

impl Kept {
    /// What of a form to `path` is kept: something only if it came from a page of `session`, the session of which the
    /// browser has the cookie still, so that nobody else fills in what an operator saves.
    pub(super) fn of(form: &Form, path: &str, session: Option<&SecretString>) -> Self {
        let is_ours = session.is_some_and(|session| is_of_session(form, session));
        if !is_ours || !is_of_long_form(path) {
            return Self::default();
        }
        let fields = form.without_secrets().filter(|(name, _)| *name != "next");
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// What the next session goes on with at `path`, if there is anything.
    pub(super) fn draft(&self, path: &str) -> Option<Draft> {
        if self.is_empty() {
            return None;
        }
        let fields = Form::encoded(&self.0);
        Some(Draft { path: path.to_owned(), fields })
    }
}

/// The page with the form that shows a draft.
pub(super) fn page_of(draft: &Draft) -> String {
    format!("{}?{DRAFT}", draft.path)
}

impl Visit<'_> {
    /// The fields that the page is to show as they were entered before, if it is the one with the draft.
    pub(super) fn draft(&self) -> Option<Form> {
        let uri = self.request.uri();
        let draft = self.operator.draft.as_ref()?;
        (uri.query() == Some(DRAFT) && uri.path() == draft.path)
            .then(|| Form::parsed(draft.fields.as_bytes()))
    }
}

/// Whether it is worth it for the form at this path.
fn is_of_long_form(path: &str) -> bool {
    match path.strip_prefix("/portal/integrations/").map(|rest| rest.split_once('/')) {
        Some(None) => path == "/portal/integrations/new",
        Some(Some((_, page))) => page == "edit",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_long_forms_are_kept() {
        for long in ["/portal/integrations/new", "/portal/integrations/azure-devops/edit"] {
            assert!(is_of_long_form(long), "{long}");
        }
        for other in [
            "/portal/api-keys",
            "/portal/integrations",
            "/portal/integrations/",
            "/portal/integrations/azure-devops",
            "/portal/integrations/azure-devops/delete",
            "/portal/integrations/a/b/edit",
            "/portal/integrations/new?x=1",
            "//evil.example/portal/integrations/new",
        ] {
            assert!(!is_of_long_form(other), "{other}");
        }
    }
}
