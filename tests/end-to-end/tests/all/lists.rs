//! Lists of connections: their cursors, and what they cost.

use end_to_end::portal::Operator;
use end_to_end::{Caller, INTEGRATION, IdentityProvider, PROJECTS, World};
use tap::Tap;

/// The integration whose users name themselves.
const PEOPLE: &str = "people";

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_counts_in_its_own_list_only() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    world.put_integration_of_users(PEOPLE).await;
    let (ada, grace) = (provider.user("ada"), provider.user("grace"));
    for user in ["ada", "grace"] {
        world.connect(user, user).await;
        world.connect_as(&provider.user(user), PEOPLE, user).await;
    }
    let first = world.get(&Caller::Application, "/connections?limit=1").await.expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let bound = Caller::Bearer(world.new_key("application", Some(INTEGRATION)).await);
    let another_key = Caller::Bearer(world.new_key("application", None).await);
    let mut refused = vec![
        (Caller::Application, format!("/connections?user=grace&cursor={cursor}")),
        (Caller::Application, format!("/connections?status=pending&cursor={cursor}")),
        (Caller::Application, format!("/connections?integration={INTEGRATION}&cursor={cursor}")),
        (Caller::Application, format!("/connections?cursor={}", &cursor[..cursor.len() - 2])),
        (bound, format!("/connections?cursor={cursor}")),
        (ada.clone(), format!("/connections?cursor={cursor}")),
        (grace, format!("/connections?cursor={cursor}")),
    ];
    // A position alone, as cursors once were.
    for made_up in [
        "eyJpbnRlZ3JhdGlvbiI6ImF6dXJlLWRldm9wcyIsInVzZXIiOiJhZGEiLCJwayI6ImNvbm5fMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAifQ",
        "e30",
        "x",
    ] {
        refused.push((Caller::Application, format!("/connections?cursor={made_up}")));
    }
    for (caller, path) in &refused {
        let answer = world.get(caller, path).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.json()["errors"][0]["field"], "cursor", "{path}");
    }
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let page = operator.open(&format!("/portal/connections?cursor={cursor}")).await;
    assert_eq!(page.status, 400);
    // Other sizes of its pages, and another key that sees the same, go on.
    for (caller, limit) in [(Caller::Application, 3), (another_key, 1)] {
        let path = format!("/connections?limit={limit}&cursor={cursor}");
        let next = world.get(&caller, &path).await.expect(200).json();
        assert_eq!(next["items"].as_array().unwrap().len(), limit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_list_nor_me_reads_once_for_each_integration() {
    const INTEGRATIONS: u64 = 30;
    let provider = IdentityProvider::start().await;
    let (world, [dynamodb, _others]) = World::tapped_with(&provider.variables()).await;
    for number in 0..INTEGRATIONS {
        world.put_integration_of_users(&format!("people-{number}")).await;
    }
    let caller = provider.user("ada");
    world.connect_as(&caller, "people-7", "ada").await;
    let me = format!("/proxy/me/{PROJECTS}");
    world.get(&caller, &me).await.expect(200);
    dynamodb.reset();
    world.get(&caller, &me).await.expect(200);
    let reads = dynamodb.counts().total();
    assert!(reads < INTEGRATIONS, "{reads} requests for one call");

    let scans = |tap: &Tap| tap.counts().requests.get("Scan").copied().unwrap_or_default();
    let wanted = "/connections?integration=people-7";
    dynamodb.reset();
    world.get(&caller, wanted).await.expect(200);
    assert_eq!(scans(&dynamodb), 0);
    for _ in 0..40 {
        world.get(&Caller::Application, "/connections?limit=1").await.expect(200);
    }
    let scans = scans(&dynamodb);
    assert!(scans < 20, "{scans} scans for 40 lists");
}
