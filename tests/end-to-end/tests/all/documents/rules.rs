//! The security page: every rule has a place, a status, and tests that exist.

use std::collections::BTreeSet;

use end_to_end::documents::{self, Document};

const PAGE: Document = Document("docs/security.md");
const STATUSES: [(&str, &str); 4] = [
    ("held and tested", "The code keeps the rule, and a test fails if it does not."),
    (
        "held, no test",
        "The code keeps the rule; a part of it could be lost without a failing test.",
    ),
    ("partly", "A part is absent."),
    ("gap", "Nothing keeps it."),
];

/// A row of the table of tests.
struct Tried {
    rule: String,
    status: String,
    tests: Vec<Test>,
    /// Sections of ASVS.
    asvs: Vec<String>,
}

/// A test by its name, or by its file and title; or a script.
#[derive(Debug, PartialEq)]
enum Test {
    Function(String),
    Titled { file: String, title: String },
    Script(String),
}

impl Test {
    /// Reads the tests of a cell: `` `function` ``, `` `file` "title" `` or `` `folder/script` ``.
    fn all(cell: &str) -> Vec<Self> {
        let parts: Vec<&str> = cell.split('`').collect();
        let of = |pair: &[&str]| match (pair[0].contains('/'), pair[1].split('"').nth(1)) {
            (true, Some(title)) => {
                Self::Titled { file: pair[0].to_owned(), title: title.to_owned() }
            }
            (true, None) => Self::Script(pair[0].to_owned()),
            (false, _) => Self::Function(pair[0].to_owned()),
        };
        parts[1..].chunks_exact(2).map(of).collect()
    }

    fn exists(&self, functions: &BTreeSet<String>) -> bool {
        match self {
            Self::Function(name) => functions.contains(name),
            Self::Script(file) => documents::root().join(file).is_file(),
            Self::Titled { file, title } => std::fs::read_to_string(documents::root().join(file))
                .is_ok_and(|text| text.lines().any(|line| is_titled(line, title))),
        }
    }
}

/// Returns whether a line of JavaScript begins the test with this title. A variable part may follow it.
fn is_titled(line: &str, title: &str) -> bool {
    ['\'', '`'].iter().any(|quote| {
        let rest = line.trim_start().strip_prefix(&format!("test({quote}{title}"));
        rest.is_some_and(|rest| {
            rest.starts_with(*quote) || [" (${", ": ${"].iter().any(|part| rest.starts_with(part))
        })
    })
}

/// Returns the names of the test functions in a Rust or Python file.
fn test_functions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rust = line.strip_prefix("fn ").filter(|_| is_test);
        let python = line.strip_prefix("def ").filter(|name| name.starts_with("test_"));
        let name = rust.or(python).and_then(|name| name.split(['(', '<']).next());
        found.extend(name.map(str::to_owned));
        is_test = line.starts_with("#[test]")
            || line.starts_with("#[tokio::test")
            || is_test && (line.starts_with("#[") || line.starts_with("//"));
    }
    found
}

/// Returns the rows of the table of tests.
fn tried() -> Vec<Tried> {
    let row = |cells: Vec<String>| {
        let [rule, status, tests, asvs] = cells.try_into().unwrap();
        let tests = Test::all(&tests);
        Tried { rule, status, tests, asvs: asvs.split(", ").map(str::to_owned).collect() }
    };
    PAGE.rows("tests of the rules").into_iter().map(row).collect()
}

/// The numbers of all rules.
fn all() -> Vec<String> {
    (1..=56).map(|number| format!("S-{number:02}")).collect()
}

/// Returns the rules that stand after `begin` in lines of the page, in their order.
fn beginning(text: &str, begin: &str) -> Vec<String> {
    let rules = text.lines().filter_map(|line| line.strip_prefix(begin)?.get(..4));
    rules.filter(|rule| rule.starts_with("S-")).map(str::to_owned).collect()
}

#[test]
fn every_security_rule_has_one_statement_and_one_line_about_its_tests() {
    let text = PAGE.text();
    let (_, statements) = text.split_once("\n## The rules\n").unwrap();
    let (statements, _) = statements.split_once("\n## ").unwrap();
    assert_eq!(beginning(statements, "| "), all());
    let tried: Vec<_> = tried().into_iter().map(|row| row.rule).collect();
    assert_eq!(tried, all());
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let functions: BTreeSet<String> = ["rs", "py"]
        .into_iter()
        .flat_map(documents::files)
        .flat_map(|file| {
            test_functions(&std::fs::read_to_string(documents::root().join(file)).unwrap())
        })
        .collect();
    assert!(functions.len() > 900, "{}", functions.len());
    let mut lost = Vec::new();
    for row in tried() {
        assert!(
            row.status != "held and tested" || !row.tests.is_empty(),
            "{} has no test",
            row.rule
        );
        lost.extend(row.tests.into_iter().filter(|test| !test.exists(&functions)));
    }
    assert!(lost.is_empty(), "these tests do not exist: {lost:?}");
}

#[test]
fn the_security_page_counts_its_rules_by_status() {
    let rows = tried();
    for row in &rows {
        let known = STATUSES.iter().any(|(status, _)| *status == row.status);
        assert!(known, "{} is {:?}", row.rule, row.status);
    }
    let count = |status: &str| rows.iter().filter(|row| row.status == status).count();
    let counts = STATUSES.map(|(status, meaning)| {
        [status.to_owned(), count(status).to_string(), meaning.to_owned()]
    });
    let counts = documents::table(["status", "rules", "meaning"], counts);
    PAGE.assert_part("counts of the rules", &counts);
}

#[test]
fn everything_that_is_missing_of_a_rule_is_named() {
    let missing = PAGE.part("missing of the rules");
    let incomplete: Vec<String> = tried()
        .into_iter()
        .filter(|row| row.status != "held and tested")
        .map(|row| row.rule)
        .collect();
    assert_eq!(beginning(&missing, "- **"), incomplete);
}

#[test]
fn every_section_of_asvs_is_written_as_one() {
    for row in tried() {
        for section in &row.asvs {
            let numbers: Vec<Option<u8>> =
                section.split('.').map(|number| number.parse().ok()).collect();
            let is_one = matches!(numbers[..], [Some(1..=17), Some(1..), Some(1..)]);
            assert!(is_one || row.asvs == ["none"], "{}: {section}", row.rule);
        }
        assert!(row.asvs.len() <= 3, "{}", row.rule);
    }
}

#[test]
fn test_functions_are_found_whatever_stands_before_them() {
    let rust = "#[test]\nfn one() {}\n\n    #[tokio::test(start_paused = true)]\n    #[ignore]\n    async fn two() {}\nfn no_test() {}\n#[test]\n// why\nfn three(x in 0..1) {}\n";
    assert_eq!(test_functions(rust), ["one", "two", "three"]);
    assert_eq!(test_functions("    def test_four(self):\n    def five(self):\n"), ["test_four"]);
    assert!(is_titled(
        "  test(`No page can be framed (${look.name})`, async () => {",
        "No page can be framed"
    ));
    assert!(is_titled("test('Markup is text', () =>", "Markup is text"));
    assert!(!is_titled("test('Markup is text, too', () =>", "Markup is text"));
}

#[test]
fn a_cell_of_tests_is_read_by_name_by_file_and_title_or_by_script() {
    let file = "tests/browser/xss.test.js".to_owned();
    let cell = r#"`one`, `tests/browser/xss.test.js` "Markup is text", `two`, `.ci/rooms`"#;
    let tests = Test::all(cell);
    let titled = Test::Titled { file, title: "Markup is text".to_owned() };
    let [one, two] = ["one", "two"].map(|name| Test::Function(name.to_owned()));
    assert_eq!(tests, [one, titled, two, Test::Script(".ci/rooms".to_owned())]);
}
