//! The calls that an integration allows: rules of methods and path prefixes, applied to the segments of the parsed address
//! as Azure DevOps reads them (S-29), so that an encoded slash is a slash.
//!
//! ```text
//! [{"methods": ["GET"]}]                                             read only
//! [{"methods": ["GET"]},
//!  {"methods": ["POST"], "paths": ["/*/_apis/wit/wiql"]}]            read only, queries included
//! [{"paths": ["/*/_git", "/_git", "/*/_apis/git", "/_apis"]}]        repositories, and discovery
//! ```

use std::fmt;
use std::str::FromStr;

use ground::fields::{Fields, Object};
use http::Method;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::closed::ClosedArea;

/// The methods that Azure DevOps has (S-36).
pub const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// The calls that are allowed: those that at least one rule allows, or all without rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallPolicy {
    rules: Vec<CallRule>,
}

/// The most rules of a policy, and the most methods or paths of a rule.
pub const MOST_RULES: usize = 50;

/// Calls that go through: any of the methods, below any of the paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallRule {
    /// Such as `GET`, which includes `HEAD`; empty: every method.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub methods: Vec<AllowedMethod>,
    /// Below the organization, such as `/_apis/projects` or `/*/_apis/git`, where `*` is one project; empty:
    /// everywhere.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub paths: Vec<PathPrefix>,
}

impl CallPolicy {
    /// Returns whether a call is allowed.
    pub fn allows(&self, method: &Method, address: &Address) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        // Whatever a server does with empty segments, its reading is allowed.
        let readings = address.below_organization();
        let area = address.closed_area();
        readings.iter().all(|segments| {
            self.rules.iter().any(|rule| rule.has(method) && rule.covers(segments, area))
        })
    }

    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl From<Vec<CallRule>> for CallPolicy {
    fn from(rules: Vec<CallRule>) -> Self {
        Self { rules }
    }
}

impl CallRule {
    /// Reads every field, so that every fault is noted.
    pub fn read(fields: &mut Fields<Object<'_>>) -> Option<Self> {
        Some(Self {
            methods: fields.texts("methods", MOST_RULES),
            paths: fields.texts("paths", MOST_RULES),
        })
    }

    fn has(&self, method: &Method) -> bool {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.methods.is_empty() || self.methods.iter().any(|allowed| allowed.0 == method)
    }

    fn covers(&self, segments: &[&str], area: Option<ClosedArea>) -> bool {
        let mut covering = self.paths.iter().filter(|prefix| prefix.covers(segments));
        match area {
            // The body decides about the effect of such a call, so only a rule that names the area covers it.
            Some(ClosedArea::Contributions) => covering.any(PathPrefix::names_contributions),
            _ => self.paths.is_empty() || covering.next().is_some(),
        }
    }
}

/// A method of Azure DevOps, in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedMethod(Method);

/// Text that is not a method of Azure DevOps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a method is one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")]
pub struct InvalidMethod;

impl TryFrom<String> for AllowedMethod {
    type Error = InvalidMethod;

    fn try_from(text: String) -> Result<Self, InvalidMethod> {
        let known = METHODS.into_iter().find(|method| method.as_str() == text);
        known.map(Self).ok_or(InvalidMethod)
    }
}

impl From<AllowedMethod> for String {
    fn from(method: AllowedMethod) -> Self {
        method.0.to_string()
    }
}

/// The beginning of a path below the organization, such as `/_apis/projects` or `/*/_apis/git`: whole segments,
/// compared without case, as Azure DevOps does. `*` matches one segment that does not begin with an underscore: a
/// project, a team or a repository, but never `_apis` or `_git`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Any,
    /// Decoded, in lower case.
    Named(String),
}

/// Text that is not a path prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path prefix begins with a slash and has 1 to 10 segments, such as /_apis/projects or /*/_apis/git"
)]
pub struct InvalidPathPrefix;

/// Enough for every path of Azure DevOps.
const MOST_SEGMENTS: usize = 10;

impl PathPrefix {
    fn names_contributions(&self) -> bool {
        self.0.iter().any(|segment| match segment {
            Segment::Named(name) => ClosedArea::of_area(name) == Some(ClosedArea::Contributions),
            Segment::Any => false,
        })
    }

    fn covers(&self, segments: &[&str]) -> bool {
        self.0.len() <= segments.len()
            && self.0.iter().zip(segments).all(|(pattern, segment)| match pattern {
                Segment::Any => !segment.is_empty() && !segment.starts_with('_'),
                Segment::Named(name) => segment.to_lowercase() == *name,
            })
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPathPrefix> {
        let below = text.strip_prefix('/').ok_or(InvalidPathPrefix)?;
        let below = below.strip_suffix('/').unwrap_or(below);
        let segments: Vec<_> =
            below.split('/').map(segment).collect::<Option<_>>().ok_or(InvalidPathPrefix)?;
        if segments.len() <= MOST_SEGMENTS { Ok(Self(segments)) } else { Err(InvalidPathPrefix) }
    }
}

fn segment(text: &str) -> Option<Segment> {
    if text == "*" {
        return Some(Segment::Any);
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let usable = !decoded.is_empty()
        && !decoded.chars().all(|c| c == '.')
        && !decoded.contains(|c: char| c.is_control() || "/\\%?#;*".contains(c));
    usable.then(|| Segment::Named(decoded.to_lowercase()))
}

impl TryFrom<String> for PathPrefix {
    type Error = InvalidPathPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPathPrefix> {
        text.parse()
    }
}

impl From<PathPrefix> for String {
    fn from(prefix: PathPrefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Any => f.write_str("/*")?,
                Segment::Named(name) => write!(f, "/{name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn policy(rules: &[(&[&str], &[&str])]) -> CallPolicy {
        let rule = |(methods, paths): &(&[&str], &[&str])| CallRule {
            methods: methods.iter().map(|m| (*m).to_owned().try_into().unwrap()).collect(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
        };
        rules.iter().map(rule).collect::<Vec<_>>().into()
    }

    fn address(host: &str, path: &str) -> Address {
        Address::parse(host, path, None, &["mycompany".parse().unwrap()]).unwrap()
    }

    fn allows(policy: &CallPolicy, method: &Method, path: &str) -> bool {
        policy.allows(method, &address("dev.azure.com", path))
    }

    #[test]
    fn without_rules_everything_is_allowed() {
        for method in METHODS {
            assert!(allows(&CallPolicy::default(), &method, "/mycompany/_apis/projects"));
        }
    }

    #[test]
    fn a_read_only_integration_reads_and_nothing_else() {
        let read_only = policy(&[(&["GET", "OPTIONS"], &[])]);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(allows(&read_only, &method, "/mycompany/p/_apis/git/repositories"));
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!allows(&read_only, &method, "/mycompany/p/_apis/git/repositories"));
        }
    }

    #[test]
    fn a_rule_needs_method_and_path_together() {
        let queries = policy(&[(&["GET"], &[]), (&["POST"], &["/*/_apis/wit/wiql"])]);
        assert!(allows(&queries, &Method::POST, "/mycompany/p/_apis/wit/wiql"));
        assert!(allows(&queries, &Method::POST, "/mycompany/My%20Project/_APIS/WIT/Wiql/x"));
        assert!(!allows(&queries, &Method::POST, "/mycompany/p/_apis/wit/wiqlx"));
        assert!(!allows(&queries, &Method::POST, "/mycompany/p/_apis/wit/workitems/$Bug"));
        assert!(!allows(&queries, &Method::DELETE, "/mycompany/p/_apis/wit/wiql"));
    }

    #[test]
    fn a_star_is_one_name_and_never_a_part_of_the_api() {
        let code = policy(&[(&[], &["/*/_apis/git", "/*/_git/*"])]);
        for good in ["/mycompany/p/_apis/git/x", "/mycompany/p/_git/r/info/refs"] {
            assert!(allows(&code, &Method::GET, good), "{good}");
        }
        for bad in [
            "/mycompany",
            "/mycompany/",
            "/mycompany/_apis/git",
            "/mycompany/_apis/_apis/git",
            "/mycompany/p/team/_apis/git",
            "/mycompany/p/_git",
            "/mycompany/DefaultCollection/_apis/git/x",
            "/mycompany/p/_apis/wit/x",
        ] {
            assert!(!allows(&code, &Method::GET, bad), "{bad}");
        }
        // The optional collection does not shift the segments.
        assert!(allows(&code, &Method::GET, "/mycompany/DefaultCollection/p/_apis/git/x"));
    }

    #[test]
    fn an_encoded_separator_is_a_slash_to_the_rules() {
        let code = policy(&[(&[], &["/*/_apis/git"])]);
        for good in [
            "/mycompany/p%2F_apis%2Fgit%2Fx",
            "/mycompany/p/%5Fapis/g%69t",
            "/mycompany/p%5C_apis/git",
        ] {
            assert!(allows(&code, &Method::GET, good), "{good}");
        }
        for bad in [
            // One segment only to a reader that does not decode.
            "/mycompany/p%2F_apis%2Fwit/_apis/git",
            "/mycompany/p%5C_apis%5Cwit/_apis/git",
            "/mycompany/p%2Fteam/_apis/git",
            // Some servers drop an empty segment, and others keep it.
            "/mycompany//_apis/git",
            "/mycompany//p/_apis/git",
            "/mycompany/%2F/_apis/git",
            "/mycompany/p/%2F_apis/git",
            "/mycompany/%2Fp/_apis/git",
            "/mycompany/%5Fapis/_apis/git",
        ] {
            assert!(!allows(&code, &Method::GET, bad), "{bad}");
        }
        let nodes = policy(&[(&[], &["/*/_apis/wit/classificationnodes/Areas"])]);
        for (path, allowed) in [
            ("/mycompany/p/_apis/wit/classificationnodes/Areas/Parent%2FChild", true),
            ("/mycompany/p/_apis/wit/classificationnodes/Areas%2FParent", true),
            ("/mycompany/p/_apis/wit/classificationnodes/Iterations%2FAreas", false),
        ] {
            assert_eq!(allows(&nodes, &Method::GET, path), allowed, "{path}");
        }
        let only_queries = policy(&[(&[], &["/p/_apis/wit/queries"])]);
        let tag = "/mycompany/p/_apis/wit/tags/C%23%2F..x";
        assert!(!allows(&only_queries, &Method::DELETE, tag));
    }

    #[test]
    fn every_form_of_a_host_is_judged_alike() {
        let projects = policy(&[(&[], &["/_apis/projects"])]);
        for (host, path) in [
            ("dev.azure.com", "/mycompany/_apis/projects"),
            ("mycompany.visualstudio.com", "/_apis/projects"),
            ("mycompany.visualstudio.com", "/DefaultCollection/_apis/projects/x"),
        ] {
            assert!(projects.allows(&Method::GET, &address(host, path)), "{host}{path}");
        }
        assert!(!projects.allows(&Method::GET, &address("mycompany.visualstudio.com", "/_apis/x")));
        let profile = policy(&[(&[], &["/_apis/profile"])]);
        let me = address("app.vssps.visualstudio.com", "/_apis/profile/profiles/me");
        assert!(profile.allows(&Method::GET, &me) && !projects.allows(&Method::GET, &me));
    }

    #[test]
    fn only_a_rule_that_names_contributions_allows_what_their_body_decides() {
        let query = "/mycompany/_apis/Contribution/HierarchyQuery";
        for (rule, allowed) in [
            (policy(&[(&["POST"], &[])]), false),
            (policy(&[(&[], &["/_apis"])]), false),
            (policy(&[(&["POST"], &["/_apis/contribution"])]), true),
            (policy(&[(&["GET"], &["/_apis/contribution"])]), false),
            (CallPolicy::default(), true),
        ] {
            assert_eq!(allows(&rule, &Method::POST, query), allowed, "{rule:?}");
        }
    }

    #[test]
    fn rules_are_read_and_written_as_operators_write_them() {
        let json = r#"{"methods": ["GET", "POST"], "paths": ["/*/_apis/Git", "/My%20Project"]}"#;
        let mut fields = Fields::new(serde_json::from_str(json).unwrap());
        let rule = CallRule::read(&mut fields);
        let read = CallPolicy::from(vec![fields.finish(rule).unwrap()]);
        let written = serde_json::to_string(&read).unwrap();
        let expected = r#"[{"methods":["GET","POST"],"paths":["/*/_apis/git","/my project"]}]"#;
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<CallPolicy>(&written).unwrap(), read);
        assert!(!read.is_empty() && CallPolicy::default().is_empty());
    }

    #[test]
    fn invalid_rules_are_refused() {
        for bad in [
            "",
            "/",
            "_apis",
            "/a//b",
            "/..",
            "/a/%2e",
            "/a/%2f",
            "/a*",
            "/a;b",
            "/%ff",
            "/1/2/3/4/5/6/7/8/9/10/11",
        ] {
            assert!(bad.parse::<PathPrefix>().is_err(), "{bad}");
        }
        for bad in ["get", "TRACE", "CONNECT", ""] {
            assert!(AllowedMethod::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(
            "/My%20Project/_apis/".parse::<PathPrefix>().unwrap().to_string(),
            "/my project/_apis"
        );
    }

    proptest! {
        #[test]
        fn nothing_escapes_a_prefix(path in "/mycompany((/|%2f|%5C)(_apis|git|_git|wit|p|\\.\\.|%2e|DefaultCollection|[a-zA-Z%_.]{1,5})){0,6}/?") {
            let Ok(address) = Address::parse("dev.azure.com", &path, None, &["mycompany".parse().unwrap()]) else { return Ok(()) };
            let code = policy(&[(&[], &["/*/_apis/git"])]);
            if code.allows(&Method::GET, &address) {
                let read = percent_decode_str(address.path()).decode_utf8().unwrap();
                let read = read.replace('\\', "/").to_lowercase().replacen("/defaultcollection", "", 1);
                let segments: Vec<_> = read.split('/').collect();
                prop_assert_eq!((segments[1], segments[3], segments[4]), ("mycompany", "_apis", "git"));
                prop_assert!(!segments[2].is_empty() && !segments[2].starts_with('_'));
            }
        }
    }
}
