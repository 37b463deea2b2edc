//! `cargo test --workspace --test walks -- --ignored`

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Node, Python and Git on the machine, and installs packages"]
async fn other_people_s_clients_reach_azure_devops_only_through_the_proxy() {
    clients::run().await;
}
