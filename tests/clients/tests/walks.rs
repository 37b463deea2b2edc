//! `cargo test --workspace --test walks -- --ignored`

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Node, Python and Git on the machine, and installs packages"]
async fn other_people_s_clients_reach_azure_devops_only_through_the_proxy() {
    clients::run().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Node and Python on the machine, and installs packages"]
async fn the_conformance_suite_and_the_official_clients_find_an_mcp_server() {
    clients::mcp::run().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python on the machine"]
async fn the_smoke_test_of_a_deployment_finds_the_local_fronts_as_it_expects_aws() {
    clients::smoke::run().await;
}
