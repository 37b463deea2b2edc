//! Sign-ins in the embedded DynamoDB: which of them become a usable connection, and whose.

use aws_sdk_dynamodb::types::AttributeValue;
use secrecy::{ExposeSecret, SecretString};
use vault::connections::{Completed, Confirmed, Connection, Happening, Status};

use crate::world::{ADA, GRACE, SignIn, World, after};

#[tokio::test]
async fn a_sign_in_is_usable_once_its_application_confirms_it() {
    let world = World::start("required").await;
    let (id, code) = world.pending(&SignIn::of(ADA), after(0)).await;
    let waiting = world.connection(&id).await.unwrap();
    assert_eq!((waiting.status, waiting.grant), (Status::Pending, None));
    let pending = waiting.pending.unwrap();
    assert_eq!(world.expiry_of_tokens(&id, &pending.grant).await, Some(after(600).as_second()));

    let Confirmed::Active(active) = world.confirm(&id, &code, "ada", after(599)).await else {
        panic!("not confirmed")
    };
    let stored = world.connection(&id).await.unwrap();
    for active in [&*active, &stored] {
        assert_eq!((active.status, active.grant.as_ref()), (Status::Active, Some(&pending.grant)));
        assert!(active.pending.is_none());
        assert_eq!(active.account, ADA.account());
        assert_eq!(active.organization, Some("mycompany".parse().unwrap()));
        assert_eq!(active.scopes, ["vso.code"]);
        assert_eq!(active.missing_scopes, ["vso.build"]);
        assert_eq!(active.connected_at, Some(after(599)));
        assert_eq!(active.revision, waiting.revision + 1);
    }
    // Nothing erases the tokens any more.
    assert_eq!(world.expiry_of_tokens(&id, &pending.grant).await, None);
    assert_eq!(world.access_token(&stored).await.as_deref(), Some("access of Ada"));
    let history = world.connections.history(&stored).await.unwrap();
    let history: Vec<_> = history.into_iter().map(|entry| entry.what).collect();
    assert_eq!(history, [Happening::Connected, Happening::SignedIn]);
}

#[tokio::test]
async fn a_code_confirms_its_own_connection_and_once() {
    let world = World::start("required").await;
    let (id, code) = world.pending(&SignIn::of(ADA), after(0)).await;
    let other = world.pending(&SignIn { user: "grace", ..SignIn::of(GRACE) }, after(0)).await;
    for wrong in [&other.1, &SecretString::from(""), &SecretString::from("a guess")] {
        let answer = world.confirm(&id, wrong, "ada", after(1)).await;
        assert!(matches!(answer, Confirmed::Invalid));
    }
    assert!(matches!(world.confirm(&id, &code, "ada", after(1)).await, Confirmed::Active(_)));
    assert!(matches!(world.confirm(&id, &code, "ada", after(1)).await, Confirmed::Invalid));
    assert_eq!(world.connection(&other.0).await.unwrap().status, Status::Pending);
    world.connections.delete(&id).await.unwrap().unwrap();
    assert!(matches!(world.confirm(&id, &code, "ada", after(1)).await, Confirmed::Unknown));
}

#[tokio::test]
async fn a_sign_in_that_is_confirmed_late_or_for_another_user_leaves_nothing() {
    for (user, at) in [("ada", 600), ("grace", 1)] {
        let world = World::start("required").await;
        let (id, code) = world.pending(&SignIn::of(ADA), after(0)).await;
        let grant = world.connection(&id).await.unwrap().pending.unwrap().grant;
        match world.confirm(&id, &code, user, after(at)).await {
            Confirmed::Expired => assert_eq!(user, "ada"),
            Confirmed::OtherUser => assert_eq!(user, "grace"),
            other => panic!("{other:?}"),
        }
        assert!(world.connection(&id).await.is_none());
        assert!(!world.has_tokens(&id, &grant).await);
        // Not even the place of the user: the next sign-in makes another connection.
        assert_ne!(world.pending(&SignIn::of(ADA), after(at)).await.0, id);
    }
}

#[tokio::test]
async fn a_connection_is_used_on_unchanged_until_its_next_sign_in_is_confirmed() {
    let world = World::start("required").await;
    let before = world.confirmed(&SignIn::of(ADA)).await;
    let again = SignIn {
        name: "Ada L.",
        access: "new access",
        scopes: &["vso.build"],
        organization: "fabrikam",
        ..SignIn::of(ADA)
    };
    let (id, code) = world.pending(&again, after(60)).await;
    assert_eq!(id, before.id);
    let meanwhile = world.connection(&id).await.unwrap();
    assert_eq!((meanwhile.status, &meanwhile.grant), (Status::Active, &before.grant));
    assert_eq!((&meanwhile.account, &meanwhile.scopes), (&before.account, &before.scopes));
    assert_eq!(meanwhile.organization, before.organization);
    assert_eq!(meanwhile.due_at, Some(after(660)));
    assert_eq!(world.access_token(&meanwhile).await.as_deref(), Some("access of Ada"));

    assert!(matches!(world.confirm(&id, &code, "ada", after(61)).await, Confirmed::Active(_)));
    let now = world.connection(&id).await.unwrap();
    assert_eq!(now.account.name.as_deref(), Some("Ada L."));
    assert_eq!(now.organization, Some("fabrikam".parse().unwrap()));
    assert_eq!(
        (now.scopes.as_slice(), now.missing_scopes.as_slice()),
        (&["vso.build".to_owned()][..], &["vso.code".to_owned()][..])
    );
    assert_eq!(world.access_token(&now).await.as_deref(), Some("new access"));
    assert!(!world.has_tokens(&id, &before.grant.unwrap()).await);
}

#[tokio::test]
async fn a_next_sign_in_for_another_user_is_erased_and_the_connection_stays() {
    let world = World::start("required").await;
    let before = world.confirmed(&SignIn::of(ADA)).await;
    let (id, code) = world.pending(&SignIn::of(ADA), after(60)).await;
    let grant = world.connection(&id).await.unwrap().pending.unwrap().grant;
    assert!(matches!(world.confirm(&id, &code, "grace", after(61)).await, Confirmed::OtherUser));
    let now = world.connection(&id).await.unwrap();
    assert_eq!((now.status, &now.grant), (Status::Active, &before.grant));
    assert!(now.pending.is_none() && !world.has_tokens(&id, &grant).await);
    assert_eq!((now.revision, now.due_at), (before.revision + 2, Some(after(61))));
    assert_eq!(world.access_token(&now).await.as_deref(), Some("access of Ada"));
    let newest = world.connections.history(&now).await.unwrap().remove(0);
    assert_eq!(newest.what, Happening::SignInErased);
    // There is nothing more to erase.
    assert!(!world.connections.erase_pending(&now, after(62)).await.unwrap());
}

#[tokio::test]
async fn tokens_keep_their_version_until_those_of_a_next_sign_in_replace_them() {
    let world = World::start("required").await;
    world.confirmed(&SignIn::of(ADA)).await;
    let (id, _) = world.pending(&SignIn::of(ADA), after(60)).await;
    let known = world.connection(&id).await.unwrap();
    // A renewal after that was read.
    world.set(&known, "token_version", AttributeValue::N("2".to_owned())).await;
    assert!(world.connections.erase_pending(&known, after(660)).await.unwrap());
    assert_eq!(world.connection(&id).await.unwrap().token_version, Some(2));
    assert_eq!(world.confirmed(&SignIn::of(ADA)).await.token_version, Some(1));
}

#[tokio::test]
async fn another_account_does_not_replace_the_one_that_is_connected() {
    for confirmation in ["required", "none"] {
        let world = World::start(confirmation).await;
        let before = world.confirmed(&SignIn::of(ADA)).await;
        let other = SignIn { user: "ada", ..SignIn::of(GRACE) };
        let answer = world.complete(&other, after(1)).await;
        assert!(matches!(answer, Completed::DifferentAccount), "{answer:?}");
        let now = world.connection(&before.id).await.unwrap();
        assert_eq!((now.revision, now.account), (before.revision, before.account));
    }
}

#[tokio::test]
async fn another_account_replaces_one_that_was_never_confirmed() {
    let world = World::start("required").await;
    let (id, old_code) = world.pending(&SignIn::of(ADA), after(0)).await;
    let old = world.connection(&id).await.unwrap().pending.unwrap().grant;
    let (same, code) = world.pending(&SignIn { user: "ada", ..SignIn::of(GRACE) }, after(1)).await;
    assert_eq!(same, id);
    assert!(!world.has_tokens(&id, &old).await);
    assert!(matches!(world.confirm(&id, &old_code, "ada", after(2)).await, Confirmed::Invalid));
    assert_eq!(world.connection(&id).await.unwrap().account, GRACE.account());
    assert!(matches!(world.confirm(&id, &code, "ada", after(2)).await, Confirmed::Active(_)));
}

#[tokio::test]
async fn without_confirmation_each_sign_in_is_usable_at_once_and_replaces_the_former() {
    let world = World::start("none").await;
    let before = world.confirmed(&SignIn::of(ADA)).await;
    assert_eq!((before.status, before.connected_at), (Status::Active, Some(after(0))));
    assert_eq!(world.expiry_of_tokens(&before.id, before.grant.as_ref().unwrap()).await, None);
    let again = SignIn { name: "Ada L.", access: "new access", ..SignIn::of(ADA) };
    let Completed::Active { connection } = world.complete(&again, after(60)).await else {
        panic!("not active")
    };
    assert_eq!(connection, before.id);
    let now = world.connection(&connection).await.unwrap();
    assert_eq!(now.account.name.as_deref(), Some("Ada L."));
    assert_eq!((now.connected_at, now.revision), (Some(after(60)), before.revision + 1));
    assert_eq!(world.access_token(&now).await.as_deref(), Some("new access"));
    assert!(!world.has_tokens(&connection, &before.grant.unwrap()).await);
    let history = world.connections.history(&now).await.unwrap();
    assert!(history.iter().all(|entry| entry.what == Happening::Connected), "{history:?}");
}

#[tokio::test]
async fn two_sign_ins_of_a_user_at_once_end_in_one_connection() {
    let world = World::start("required").await;
    let sign_in = SignIn::of(ADA);
    let (one, two) =
        tokio::join!(world.pending(&sign_in, after(0)), world.pending(&sign_in, after(0)));
    assert_eq!(one.0, two.0);
}

#[tokio::test]
async fn a_session_makes_one_connection_while_it_lives() {
    let world = World::start("none").await;
    let session = world.session("ada", after(0)).await;
    let (first, again) = (SignIn::of(ADA), SignIn { access: "again", ..SignIn::of(ADA) });
    let late = world.complete_with(&session, &first, after(1_800)).await;
    assert!(matches!(late, Completed::SessionGone), "{late:?}");
    let Completed::Active { connection } = world.complete_with(&session, &first, after(1)).await
    else {
        panic!("not active")
    };
    let second = world.complete_with(&session, &again, after(2)).await;
    assert!(matches!(second, Completed::SessionGone), "{second:?}");
    let now = world.connection(&connection).await.unwrap();
    assert_eq!(world.access_token(&now).await.as_deref(), Some("access of Ada"));
}

#[tokio::test]
async fn a_sign_in_ends_with_the_integration_that_it_began_with() {
    for field in ["created_at", "client_id", "status"] {
        let world = World::start("none").await;
        let other = match field {
            "created_at" => "2020-01-01T00:00:00Z",
            "client_id" => "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a02",
            _ => "paused",
        };
        world.set_of_integration(field, other).await;
        let answer = world.complete(&SignIn::of(ADA), after(0)).await;
        assert!(matches!(answer, Completed::IntegrationGone), "{field}: {answer:?}");
        let user = "ada".parse().unwrap();
        let found = world.connections.find(&world.integration.id, &user).await.unwrap();
        assert!(found.is_none(), "{field}");
    }
}

#[tokio::test]
async fn a_sign_in_keeps_the_pause_of_the_operator_and_ends_the_failures() {
    let world = World::start("required").await;
    let before = world.confirmed(&SignIn::of(ADA)).await;
    assert!(world.connections.pause(&before, after(1)).await.unwrap());
    for (name, value) in [
        ("status", AttributeValue::S("reauthorization_required".to_owned())),
        ("reason", AttributeValue::S("invalid_grant".to_owned())),
        ("failures", AttributeValue::N("3".to_owned())),
        ("failure", AttributeValue::S("refused".to_owned())),
        ("lease_until", AttributeValue::N("1".to_owned())),
    ] {
        world.set(&before, name, value).await;
    }
    let (id, code) = world.pending(&SignIn::of(ADA), after(2)).await;
    assert!(matches!(world.confirm(&id, &code, "ada", after(3)).await, Confirmed::Active(_)));
    let now = world.connection(&id).await.unwrap();
    assert_eq!(now.paused_at, Some(after(1)));
    assert_eq!((now.status, now.reason, now.failures), (Status::Active, None, 0));
    assert!(now.failure.is_none() && now.lease_until.is_none());
}

#[tokio::test]
async fn the_words_of_a_newer_release_stay() {
    let world = World::start("required").await;
    let before = world.confirmed(&SignIn::of(ADA)).await;
    for name in ["status", "failure"] {
        world.set(&before, name, AttributeValue::S("of_a_newer_release".to_owned())).await;
    }
    let (id, code) = world.pending(&SignIn::of(ADA), after(2)).await;
    assert!(matches!(world.confirm(&id, &code, "grace", after(3)).await, Confirmed::OtherUser));
    for name in ["status", "failure"] {
        let kept = AttributeValue::S("of_a_newer_release".to_owned());
        assert_eq!(world.attribute(&before, name).await, Some(kept), "{name}");
    }
}

#[tokio::test]
async fn a_deleted_connection_leaves_no_tokens_and_no_place() {
    let world = World::start("required").await;
    let before = world.confirmed(&SignIn::of(ADA)).await;
    let (id, _code) = world.pending(&SignIn::of(ADA), after(1)).await;
    let pending = world.connection(&id).await.unwrap().pending.unwrap().grant;
    let deleted = world.connections.delete(&id).await.unwrap().unwrap();
    assert_eq!(deleted.id, id);
    assert!(world.connection(&id).await.is_none());
    assert!(!world.has_tokens(&id, &pending).await);
    assert!(!world.has_tokens(&id, &before.grant.unwrap()).await);
    assert!(world.connections.delete(&id).await.unwrap().is_none());
    assert_ne!(world.pending(&SignIn::of(ADA), after(2)).await.0, id);
}

#[tokio::test]
async fn a_confirmation_code_is_stored_as_a_hash_alone() {
    let world = World::start("required").await;
    let (id, code) = world.pending(&SignIn::of(ADA), after(0)).await;
    let stored: Connection = world.connection(&id).await.unwrap();
    let stored = serde_json::to_string(&stored).unwrap();
    assert!(!stored.contains(code.expose_secret()));
}
