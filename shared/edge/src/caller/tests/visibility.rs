//! The integrations and connections that a caller sees.

use vault::audit::ActorRole;

use super::*;

fn integration(id: &str, users: &str, created_at: &str) -> Integration {
    let json = json!({
        "id": id,
        "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
        "organizations": ["mycompany"],
        "scopes": ["vso.code"],
        "users": users,
        "credential": {"kind": "client_secret"},
        "status": "ready",
        "created_at": created_at,
        "updated_at": created_at,
    });
    serde_json::from_value(json).unwrap()
}

fn connection(integration: &Integration, user: &UserId) -> Connection {
    let json = json!({
        "pk": "conn_00000000000000000000000000000000",
        "integration": integration.id,
        "user": user,
        "status": "active",
        "tenant_id": "11111111-1111-4111-8111-111111111111",
        "object_id": "22222222-2222-4222-8222-222222222222",
        "scopes": [],
        "created_at": 0,
        "revision": 1,
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn callers_are_limited_to_their_role_integration_and_user() {
    const THEN: &str = "2026-01-01T00:00:00Z";
    let fabrikam = integration("fabrikam", "application", THEN);
    let contoso = integration("contoso", "jwt", THEN);
    let kind = |kind| Caller { id: "x".to_owned(), kind, api_key: None };
    let created_at = Some(fabrikam.created_at);
    let bound = BoundIntegration { id: fabrikam.id.clone(), created_at };
    let limited = kind(Kind::Application { integration: Some(bound) });
    assert!(limited.sees_integration(&fabrikam) && !limited.sees_integration(&contoso));
    // Another one of the same id.
    let later = integration("fabrikam", "application", "2026-01-01T00:00:01Z");
    assert!(!limited.sees_integration(&later));
    let unlimited = kind(Kind::Application { integration: None });
    for caller in [&unlimited, &kind(Kind::Operator)] {
        assert!(caller.sees_integration(&fabrikam) && caller.sees_integration(&contoso));
    }
    assert!(limited.require(&[Role::User, Role::Application]).is_ok());

    let of = |issuer: &str, name: &str| UserId::of_issuer(issuer, name).unwrap();
    let ada = of("https://id.example", "ada");
    let user = kind(Kind::User { user: ada.clone() });
    // Only where users name themselves.
    assert!(user.sees_integration(&contoso) && !user.sees_integration(&fabrikam));
    assert!(user.sees_connection(&connection(&contoso, &ada), &contoso));
    assert!(!user.sees_connection(&connection(&fabrikam, &ada), &fabrikam));
    assert!(!user.sees_connection(&connection(&fabrikam, &ada), &contoso));
    for other in [
        of("https://id.example", "grace"),
        of("https://other.example", "ada"),
        "ada".parse().unwrap(),
    ] {
        assert!(!user.sees_connection(&connection(&contoso, &other), &contoso), "{other}");
    }
    let plain: UserId = "ada".parse().unwrap();
    assert!(limited.sees_connection(&connection(&fabrikam, &plain), &fabrikam));
    assert!(!limited.sees_connection(&connection(&contoso, &plain), &contoso));
    let problem = kind(Kind::Operator).require(&[Role::Application, Role::User]).unwrap_err();
    assert_eq!(problem.code(), Code::RoleNotAllowed);
    assert_eq!(
        problem.detail_text(),
        Some("The caller is operator; this route is for application and user.")
    );
}

#[test]
fn the_id_of_a_caller_does_not_contain_the_user() {
    let caller = Caller::of_user("ada@mycompany.example".parse().unwrap());
    assert!(caller.id.starts_with("user:") && caller.id.len() == 21);
    assert!(!caller.id.contains("ada"));
    assert_eq!(caller.user().unwrap().as_str(), "ada@mycompany.example");
}

#[test]
fn a_caller_is_the_actor_of_its_request_in_log_and_audit_trail() {
    let log = RequestLog::new("request");
    let id: ApiKeyId = "0a1b".parse().unwrap();
    let caller = Caller {
        id: "key:0a1b".to_owned(),
        kind: Kind::Application { integration: None },
        api_key: Some(PresentedKey { id: id.clone(), calls_counted_until: None }),
    };
    caller.note_in(&log);
    let actor = log.actor();
    assert_eq!((actor.id.as_str(), actor.role), ("key:0a1b", ActorRole::Application));
    assert_eq!(actor.key, Some(id));
}
