//! The toolset `testplan`.

use vault::integrations::Toolset::Testplan;

use crate::crafted;
use crate::tools::parameter::{
    AREA, BUILD, DESCRIPTION, FIELDS, ID, IDS, Kind, NAME, NEXT, PROJECT, Parameter, TITLE,
};
use crate::tools::tool::{Effect, Paging, Tool, Verb};

const ACTIVE: Parameter = Parameter::new("active", Kind::Boolean);
const DATE_END: Parameter = Parameter::new("end", Kind::Text);
const DATE_START: Parameter = Parameter::new("start", Kind::Text);
const ITERATION: Parameter = Parameter::new("iteration", Kind::Text);
const OUTCOMES: Parameter = Parameter::new("outcomes", Kind::List { of: &Kind::Text, most: 20 });
const PARENT: Parameter = Parameter::new("parent", Kind::Integer { most: None });
const PLAN: Parameter = Parameter::new("plan", Kind::Integer { most: None });
const STEP: Kind = Kind::Record(&[
    Parameter::new("do", Kind::Text).required(),
    Parameter::new("expect", Kind::Text),
]);
const STEPS: Parameter = Parameter::new("steps", Kind::List { of: &STEP, most: 200 });
const SUITE: Parameter = Parameter::new("suite", Kind::Integer { most: None });

pub(super) const TOOLS: &[Tool] = &[
    Tool::new("list_test_plans", Testplan, "Test plans.")
        .takes(&[PROJECT.required(), ACTIVE, NEXT])
        .get("/{project}/_apis/testplan/plans")
        .query(&[("filterActivePlans", "active"), ("includePlanDetails", "=true")])
        .pages(Paging::Token)
        .shows(
            "id name state area:areaPath iteration start:startDate|time end:endDate|time owner:owner.displayName \
             root:rootSuite.id",
        ),
    Tool::new("list_test_suites", Testplan, "Suites of a test plan.")
        .takes(&[PROJECT.required(), PLAN.required(), NEXT])
        .get("/{project}/_apis/testplan/Plans/{plan}/suites")
        .pages(Paging::Token)
        .shows("id name type:suiteType parent:parentSuite.id"),
    Tool::new("list_test_cases", Testplan, "Test cases of a suite, with their steps.")
        .takes(&[PROJECT.required(), PLAN.required(), SUITE.required(), NEXT])
        .get("/{project}/_apis/testplan/Plans/{plan}/Suites/{suite}/TestCase")
        .pages(Paging::Token)
        .shows(
            "id:workItem.id title:workItem.name steps:workItem.workItemFields|steps \
             points:pointAssignments[tester:tester.displayName configuration:configurationName]",
        ),
    Tool::new(
        "list_test_results",
        Testplan,
        "A build's test results: the failed ones with message and stack, unless others are asked for.",
    )
    .takes(&[PROJECT.required(), BUILD.required(), OUTCOMES, NEXT])
    .steps(crafted::list_test_results),
    Tool::new("create_test_plan", Testplan, "Creates a test plan.")
        .takes(&[
            PROJECT.required(), NAME.required(), ITERATION.required(), AREA, DESCRIPTION, DATE_START, DATE_END,
        ])
        .has(Effect::Adds)
        .call(Verb::Post, "/{project}/_apis/testplan/plans")
        .body(&[
            ("name", "name"),
            ("iteration", "iteration"),
            ("areaPath", "area"),
            ("description", "description"),
            ("startDate", "start"),
            ("endDate", "end"),
        ])
        .shows("id name root:rootSuite.id"),
    Tool::new("create_test_suite", Testplan, "Creates a static suite.")
        .takes(&[PROJECT.required(), PLAN.required(), PARENT.required(), NAME.required()])
        .has(Effect::Adds)
        .call(Verb::Post, "/{project}/_apis/testplan/Plans/{plan}/suites")
        .body(&[("suiteType", "=staticTestSuite"), ("name", "name"), ("parentSuite.id", "parent")])
        .shows("id name"),
    Tool::new("add_test_cases", Testplan, "Adds test cases to a suite.")
        .takes(&[PROJECT.required(), PLAN.required(), SUITE.required(), IDS.required()])
        .has(Effect::Adds)
        .call(Verb::Post, "/{project}/_apis/testplan/Plans/{plan}/Suites/{suite}/TestCase")
        .body(&[("", "ids|as:workItem.id")])
        .shows("id:workItem.id title:workItem.name"),
    Tool::new("write_test_case", Testplan, "Creates a test case, or replaces the steps of one.")
        .takes(&[PROJECT.required(), ID, TITLE, STEPS.required(), FIELDS])
        .has(Effect::Changes)
        .steps(crafted::write_test_case),
];
