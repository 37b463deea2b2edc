//! Areas of Azure DevOps that hand out credentials or persist access: closed unless the integration opens them.

use end_to_end::{Answer, Caller, INTEGRATION, World};
use reqwest::Method;
use serde_json::{Value, json};

/// An attack, and what opens the way for it: the setting of the integration.
const ATTACKS: &[(&str, &str, &str)] = &[
    ("POST", "vssps.dev.azure.com/mycompany/_apis/tokens/pats", "allow_credential_calls"),
    ("GET", "vssps.dev.azure.com/mycompany/_apis/tokens/pats", "allow_credential_calls"),
    ("POST", "vssps.dev.azure.com/mycompany/_apis/Token/SessionTokens", "allow_credential_calls"),
    ("POST", "dev.azure.com/mycompany/_apis/Token/SessionTokens", "allow_credential_calls"),
    ("POST", "vstoken.dev.azure.com/mycompany/_apis/token/sessiontokens", "allow_credential_calls"),
    ("POST", "mycompany.vssps.visualstudio.com/_apis/tokens/pats", "allow_credential_calls"),
    ("POST", "mycompany.visualstudio.com/_apis/Token/SessionTokens", "allow_credential_calls"),
    (
        "POST",
        "mycompany.vstoken.visualstudio.com/_apis/token/sessiontokens",
        "allow_credential_calls",
    ),
    (
        "POST",
        "vssps.dev.azure.com/mycompany/DefaultCollection/_APIS/Tokens/Pats",
        "allow_credential_calls",
    ),
    ("POST", "vssps.dev.azure.com/mycompany/_apis/t%6fkens/pats", "allow_credential_calls"),
    ("POST", "vssps.dev.azure.com/mycompany/%5Fapis/tokens/pats", "allow_credential_calls"),
    ("POST", "vssps.dev.azure.com/mycompany/_apis%2Ftokens/pats", "allow_credential_calls"),
    (
        "POST",
        "dev.azure.com/mycompany/_apis/Contribution/HierarchyQuery",
        "allow_contribution_calls",
    ),
    (
        "POST",
        "dev.azure.com/mycompany/Website/_apis/contribution/hierarchyquery",
        "allow_contribution_calls",
    ),
    ("POST", "dev.azure.com/mycompany/_apis/hooks/subscriptions", "allow_hook_calls"),
    ("POST", "vssh.dev.azure.com/mycompany/_apis/hooks/subscriptions", "allow_hook_calls"),
];

fn wish() -> Value {
    json!({
        "displayName": "for later", "scope": "app_token", "allOrgs": true, "validTo": "2027-11-30T00:00:00Z",
        "contributionIds": ["ms.vss-token-web.personal-access-token-issue-session-token-provider"],
    })
}

async fn everything(changes: Value) -> (World, String) {
    let world = World::start().await;
    let mut settings = json!({"scopes": ["user_impersonation"]});
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    world.put_integration(INTEGRATION, settings).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    (world, connection)
}

fn request(
    world: &World,
    front: &str,
    connection: &str,
    (method, rest): (&str, &str),
) -> reqwest::RequestBuilder {
    let url = format!("{front}/proxy/{connection}/{rest}");
    let method: Method = method.parse().unwrap();
    let request = world.request_at(&Caller::Application, method.clone(), &url);
    if method == Method::GET { request } else { request.json(&wish()) }
}

async fn dry(world: &World, connection: &str, call: (&str, &str)) -> Value {
    let request = request(world, world.stack.public_url(), connection, call);
    world.send(request.header("x-ado-connect-dry", "1")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_minted_through_the_proxy_and_dry_calls_agree() {
    let (world, connection) = everything(json!({})).await;
    world.devops().reset_counts();
    for (method, rest, setting) in ATTACKS {
        let described = dry(&world, &connection, (method, rest)).await;
        assert_eq!(described["allowed"], false, "{method} {rest}");
        assert!(described["refusal"]["detail"].as_str().unwrap().contains(setting), "{described}");
        for front in world.fronts() {
            let answer = world.send(request(&world, front, &connection, (method, rest))).await;
            let refused = answer.expect_problem(403, "call_not_allowed");
            assert!(refused.json()["detail"].as_str().unwrap().contains(setting), "{refused:?}");
        }
    }
    assert_eq!(world.devops().requests().len(), 0);
}

/// The answer is meant to hold a secret.
async fn unwatched(world: &World, connection: &str, call: (&str, &str)) -> Answer {
    world.send_unwatched(request(world, world.stack.public_url(), connection, call)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_setting_opens_its_own_areas_and_each_call_there_is_an_audit_line() {
    let settings = ["allow_credential_calls", "allow_contribution_calls", "allow_hook_calls"];
    for open in settings {
        let (world, connection) = everything(json!({open: true})).await;
        let key = world.new_key("application", None).await;
        let caller = key.split('_').nth(1).unwrap();
        for (method, rest, setting) in ATTACKS {
            let described = dry(&world, &connection, (method, rest)).await;
            assert_eq!(described["allowed"], *setting == open, "{open}: {method} {rest}");
            let url = format!("{}/proxy/{connection}/{rest}", world.stack.public_url());
            let request =
                world.request_at(&Caller::Bearer(key.clone()), method.parse().unwrap(), &url);
            let answer = world.send_unwatched(request.json(&wish())).await;
            assert_eq!(
                answer.status == 403,
                *setting != open,
                "{open}: {method} {rest} {answer:?}"
            );
        }
        let opened = ATTACKS.iter().filter(|attack| attack.2 == open).count();
        let audit = world.logged(|line| line.contains("closed_area_called")).await;
        for part in [caller, &connection, INTEGRATION, open] {
            assert!(audit.contains(part), "{part}: {audit}");
        }
        let lines = world.log();
        let lines = lines.iter().filter(|line| line.contains("closed_area_called"));
        assert_eq!(lines.count(), opened);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_area_hands_out_what_the_closed_one_withheld_and_is_a_finding() {
    let (world, connection) = everything(json!({"allow_credential_calls": true})).await;
    let minted = unwatched(&world, &connection, ("POST", ATTACKS[0].1)).await.expect(200).json();
    assert!(minted["patToken"]["token"].as_str().unwrap().contains(emulators::MARKER));
    let finding = world.finding(INTEGRATION, "closed_areas").await.unwrap();
    assert_eq!(finding["status"], "warning", "{finding}");
    assert!(finding["fix"].as_str().unwrap().contains("allow_credential_calls"), "{finding}");
}
