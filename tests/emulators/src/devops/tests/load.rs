//! Budgets of requests.

use super::*;

fn throttled(world: &World) {
    world.devops.change_settings(|settings| {
        settings.throttling =
            Some(Throttling { limit: 4, delayed: 2, delay_ms: 1, ..Throttling::default() });
    });
}

#[tokio::test]
async fn a_client_over_its_budget_is_warned_delayed_and_refused() {
    let mut world = world(&["user_impersonation"]).await;
    throttled(&world);
    let mut answers = Vec::new();
    for _ in 0..7 {
        answers.push(world.get("_apis/projects").await);
    }
    let statuses: Vec<_> = answers.iter().map(|got| got.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 429]);
    let headers = |name: &str| answers.iter().map(|got| got.header(name)).collect::<Vec<_>>();
    assert_eq!(headers("x-ratelimit-remaining"), ["", "", "1", "0", "0", "0", "0"]);
    assert_eq!(headers("x-ratelimit-delay"), ["", "", "", "", "0.001", "0.001", ""]);
    for (got, told) in answers.iter().zip([false, false, false, false, true, true, true]) {
        assert_eq!(!got.header("retry-after").is_empty(), told);
    }
    let refused = &answers[6];
    assert_eq!(refused.type_key(), "RequestBlockedException");
    assert!(refused.text().contains("TF400733"));
    assert_eq!(refused.header("x-ratelimit-limit"), "4");
    assert!(refused.header("x-ratelimit-reset").parse::<u64>().unwrap() > 0);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 300);
    let clone = "Website/_git/Website/info/refs?service=git-upload-pack";
    assert_eq!(world.get(clone).await.status, 429, "Git's requests count as well");
    assert_eq!(world.devops.usage("ada"), 8);

    let ada = world.token.clone();
    world.token =
        access_token(&world.entra, "organizations", "grace", &["user_impersonation"]).await;
    assert_eq!(world.get("_apis/projects").await.status, 200, "grace has a budget of her own");
    world.token = ada;
    world.devops.reset_usage();
    assert_eq!(world.get("_apis/projects").await.status, 200);
}

#[tokio::test]
async fn the_budget_comes_back_when_the_window_ends() {
    let world = world(&["user_impersonation"]).await;
    throttled(&world);
    let used_up = async || {
        for _ in 0..6 {
            world.get("_apis/projects").await;
        }
        world.get("_apis/projects").await.status
    };
    assert_eq!(used_up().await, 429);
    world.entra.advance_clock(300);
    assert_eq!(world.get("_apis/projects").await.status, 200);
    assert_eq!(used_up().await, 429);
    let reset = format!("{}/_emulator/usage/reset", world.devops.base_url());
    assert_eq!(send(signing_in::http().post(reset)).await.status, 204);
    assert_eq!(world.get("_apis/projects").await.status, 200);
}
