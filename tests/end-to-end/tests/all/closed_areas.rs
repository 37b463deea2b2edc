//! Areas of Azure DevOps that hand out credentials or persist access: closed unless the integration opens them.

use end_to_end::{Answer, Caller, INTEGRATION, World};
use reqwest::Method;
use serde_json::{Value, json};

/// Attacks, by the setting of the integration that lets them through.
const ATTACKS: [(&str, &[(&str, &str)]); 3] = [
    (
        "allow_credential_calls",
        &[
            ("POST", "vssps.dev.azure.com/mycompany/_apis/tokens/pats"),
            ("GET", "vssps.dev.azure.com/mycompany/_apis/tokens/pats"),
            ("POST", "vssps.dev.azure.com/mycompany/_apis/Token/SessionTokens"),
            ("POST", "dev.azure.com/mycompany/_apis/Token/SessionTokens"),
            ("POST", "vstoken.dev.azure.com/mycompany/_apis/token/sessiontokens"),
            ("POST", "mycompany.vssps.visualstudio.com/_apis/tokens/pats"),
            ("POST", "mycompany.visualstudio.com/_apis/Token/SessionTokens"),
            ("POST", "mycompany.vstoken.visualstudio.com/_apis/token/sessiontokens"),
            ("POST", "vssps.dev.azure.com/mycompany/DefaultCollection/_APIS/Tokens/Pats"),
            ("POST", "vssps.dev.azure.com/mycompany/_apis/t%6fkens/pats"),
            ("POST", "vssps.dev.azure.com/mycompany/%5Fapis/tokens/pats"),
            ("POST", "vssps.dev.azure.com/mycompany/_apis%2Ftokens/pats"),
        ],
    ),
    (
        "allow_contribution_calls",
        &[
            ("POST", "dev.azure.com/mycompany/_apis/Contribution/HierarchyQuery"),
            ("POST", "dev.azure.com/mycompany/Website/_apis/contribution/hierarchyquery"),
        ],
    ),
    (
        "allow_hook_calls",
        &[
            ("POST", "dev.azure.com/mycompany/_apis/hooks/subscriptions"),
            ("POST", "vssh.dev.azure.com/mycompany/_apis/hooks/subscriptions"),
        ],
    ),
];

/// Each attack with its setting.
fn attacks() -> impl Iterator<Item = (&'static str, (&'static str, &'static str))> {
    ATTACKS.into_iter().flat_map(|(setting, calls)| calls.iter().map(move |call| (setting, *call)))
}

fn wish() -> Value {
    json!({
        "displayName": "for later", "scope": "app_token", "allOrgs": true, "validTo": "2027-11-30T00:00:00Z",
        "contributionIds": ["ms.vss-token-web.personal-access-token-issue-session-token-provider"],
    })
}

/// Returns a service, and a connection whose scopes allow everything.
async fn with_every_scope() -> (World, String) {
    let world = World::start().await;
    let settings = json!({"scopes": ["user_impersonation"]});
    world.put_integration(INTEGRATION, settings).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    (world, connection)
}

/// Opens the areas of this setting, and no others.
async fn open(world: &World, setting: &str) {
    let settings = json!({"scopes": ["user_impersonation"], setting: true});
    world.put_integration(INTEGRATION, settings).await.expect(200);
}

fn request(
    world: &World,
    caller: &Caller,
    front: &str,
    connection: &str,
    (method, rest): (&str, &str),
) -> reqwest::RequestBuilder {
    let url = format!("{front}/proxy/{connection}/{rest}");
    let method: Method = method.parse().unwrap();
    let request = world.request_at(caller, method.clone(), &url);
    if method == Method::GET { request } else { request.json(&wish()) }
}

async fn dry(world: &World, connection: &str, call: (&str, &str)) -> Value {
    let front = world.stack.public_url();
    let request = request(world, &Caller::Application, front, connection, call);
    world.send(request.header("x-ado-connect-dry", "1")).await.expect(200).json()
}

/// The answer is meant to hold a secret.
async fn unwatched(world: &World, caller: &Caller, connection: &str, call: (&str, &str)) -> Answer {
    let front = world.stack.public_url();
    world.send_unwatched(request(world, caller, front, connection, call)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_minted_through_the_proxy_and_dry_calls_agree() {
    let (world, connection) = with_every_scope().await;
    world.devops().reset_counts();
    for (setting, call) in attacks() {
        let described = dry(&world, &connection, call).await;
        assert_eq!(described["allowed"], false, "{call:?}");
        assert!(described["refusal"]["detail"].as_str().unwrap().contains(setting), "{described}");
        for front in world.fronts() {
            let request = request(&world, &Caller::Application, front, &connection, call);
            let refused = world.send(request).await.expect_problem(403, "call_not_allowed");
            assert!(refused.json()["detail"].as_str().unwrap().contains(setting), "{refused:?}");
        }
    }
    assert_eq!(world.devops().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_opens_its_own_areas_and_each_call_there_is_an_audit_line() {
    let (world, connection) = with_every_scope().await;
    let key = world.new_key("application", None).await;
    let key_id = key.split('_').nth(1).unwrap();
    let caller = Caller::Bearer(key.clone());
    let mut opened = 0;
    for (opened_by, calls) in ATTACKS {
        open(&world, opened_by).await;
        for (setting, call) in attacks() {
            let described = dry(&world, &connection, call).await;
            assert_eq!(described["allowed"], setting == opened_by, "{opened_by}: {call:?}");
            let answer = unwatched(&world, &caller, &connection, call).await;
            assert_eq!(
                answer.status == 403,
                setting != opened_by,
                "{opened_by}: {call:?} {answer:?}"
            );
        }
        opened += calls.len();
        let is_audit = |line: &str| line.contains("closed_area_called");
        let audit = world.logged(|line| is_audit(line) && line.contains(opened_by)).await;
        for part in [key_id, &connection, INTEGRATION] {
            assert!(audit.contains(part), "{part}: {audit}");
        }
        assert_eq!(world.log().iter().filter(|line| is_audit(line)).count(), opened);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_area_hands_out_what_the_closed_one_withheld_and_is_a_finding() {
    let (world, connection) = with_every_scope().await;
    let (setting, [call, ..]) = ATTACKS[0] else { unreachable!() };
    open(&world, setting).await;
    let minted = unwatched(&world, &Caller::Application, &connection, *call).await;
    let minted = minted.expect(200).json();
    assert!(minted["patToken"]["token"].as_str().unwrap().contains(emulators::MARKER));
    let finding = world.finding(INTEGRATION, "closed_areas").await.unwrap();
    assert_eq!(finding["status"], "warning", "{finding}");
    assert!(finding["fix"].as_str().unwrap().contains("allow_credential_calls"), "{finding}");
}
