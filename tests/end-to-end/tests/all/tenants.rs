//! One customer's tenant refuses the app, or is not found: its connections wait, and no others.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use emulators::entra::{AppStatus, DEFAULT_CLIENT_ID, TENANT_A, TENANT_B};
use end_to_end::{Answer, Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

/// Connections of one user in each of two tenants.
struct Customers {
    world: World,
    ada: String,
    edsger: String,
}

impl Customers {
    async fn new() -> Self {
        let world = World::start().await;
        let any = json!({"organizations": "any", "confirmation": "none"});
        world.put_integration(INTEGRATION, any).await.expect(200);
        let ada = Self::connect(&world, "ada", "mycompany").await;
        let edsger = Self::connect(&world, "edsger", "contoso").await;
        Self { world, ada, edsger }
    }

    async fn connect(world: &World, user: &str, organization: &str) -> String {
        let body = json!({
            "integration": INTEGRATION, "user": user, "organization": organization, "return_to": world.return_to(),
        });
        let link = world.connect_url_for(body).await;
        let returned = world.browser().finish(&link, user).await.expect(303);
        returned.location_parameter("connection_id").unwrap()
    }

    async fn refresh(&self, connection: &str) -> Answer {
        let path = format!("/connections/{connection}/refresh");
        self.world.ask(&Caller::Application, Method::POST, &path).await
    }

    async fn integration(&self) -> Value {
        let path = format!("/integrations/{INTEGRATION}");
        self.world.get(&Caller::Operator, &path).await.expect(200).json()
    }

    /// Sets a number in the entry of edsger's tenant.
    async fn set_entry(&self, name: &str, number: i64) {
        let key = format!("tenants#{INTEGRATION}");
        let items = self.world.items(names::INTEGRATIONS).await;
        let item = items.iter().find(|item| item["pk"].as_s().unwrap() == &key).unwrap();
        let entry = format!("tenant_{}", TENANT_B.to_string().replace('-', "_"));
        let mut refused = item[&entry].as_m().unwrap().clone();
        refused.insert(name.to_owned(), AttributeValue::N(number.to_string()));
        self.world.set(names::INTEGRATIONS, &key, &entry, AttributeValue::M(refused)).await;
        // Each process caches the entry for some seconds.
        self.world.stack.restart_functions().await;
    }

    async fn finding(&self, check: &str) -> Option<Value> {
        let path = format!("/integrations/{INTEGRATION}/verify");
        let verified =
            self.world.post(&Caller::Operator, &path, json!({})).await.expect(200).json();
        let findings = verified["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["check"] == check)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_the_app_s_service_principal_makes_only_its_own_connections_wait() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Deleted);
    let refused = customers.refresh(&customers.edsger).await;
    assert!(refused.expect_problem(502, "tenant_refused").header("retry-after").is_some());
    customers.refresh(&customers.ada).await.expect(200);
    let integration = customers.integration().await;
    assert_eq!(integration["status"], "ready");
    let shown = &integration["refused_tenants"][0];
    assert_eq!(shown["tenant_id"], TENANT_B.to_string());
    assert_eq!(shown["reason"], "invalid_client (AADSTS7000229)");
    let finding = customers.finding("tenant").await.unwrap();
    assert_eq!(finding["status"], "warning", "{finding}");
    assert!(finding["detail"].as_str().unwrap().contains(&TENANT_B.to_string()), "{finding}");

    // Entra is left alone, and nothing but the tenant's connections waits.
    let asked = world.entra().count("token.refresh_token");
    for _ in 0..5 {
        customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    }
    world.make_due(&customers.edsger).await;
    world.work_on(&customers.edsger).await.unwrap();
    assert_eq!(world.entra().count("token.refresh_token"), asked);
    assert_eq!(world.connection(&customers.edsger).await["status"], "active");
    customers.refresh(&customers.ada).await.expect(200);

    // A user of the tenant signs in, which brings the app back.
    Customers::connect(world, "edsger", "contoso").await;
    assert_eq!(customers.integration().await["refused_tenants"], json!([]));
    // Each process caches the refusal for some seconds.
    world.stack.restart_functions().await;
    customers.refresh(&customers.edsger).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_disabled_the_app_is_tried_by_the_schedule_and_accepted_again() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Disabled);
    world.make_due(&customers.edsger).await;
    world.work_on(&customers.edsger).await.unwrap();
    assert_eq!(customers.integration().await["refused_tenants"][0]["kind"], "refused");
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Active);
    customers.set_entry("probed_at", 1_000_000_000).await;
    world.make_due(&customers.edsger).await;
    world.work_on(&customers.edsger).await.unwrap();
    let integration = customers.integration().await;
    assert_eq!(integration["refused_tenants"], json!([]), "{integration}");
    assert_eq!(integration["status"], "ready");
    customers.refresh(&customers.edsger).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_takes_the_app_back_without_its_grants_lets_all_its_connections_go_on() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Disabled);
    customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Active);
    world.entra().revoke_grants("edsger").unwrap();
    customers.set_entry("probed_at", 1_000_000_000).await;
    customers.refresh(&customers.edsger).await.expect_problem(503, "refresh_refused");
    let integration = customers.integration().await;
    assert_eq!(integration["refused_tenants"], json!([]), "{integration}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_entra_does_not_find_is_looked_for_a_day_before_its_users_are_asked() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_tenant_found(TENANT_B, false);
    // A cold process fails at the tenant's metadata already.
    world.stack.restart_functions().await;
    customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    customers.refresh(&customers.ada).await.expect(200);
    let integration = customers.integration().await;
    assert_eq!(integration["status"], "ready");
    assert_eq!(integration["refused_tenants"][0]["kind"], "not_found");
    assert_eq!(integration["refused_tenants"][0]["reason"], "invalid_tenant (AADSTS90002)");
    assert_eq!(world.connection(&customers.edsger).await["status"], "active");

    customers.set_entry("since", 1_000_000_000).await;
    customers.set_entry("probed_at", 1_000_000_000).await;
    let refused = customers.refresh(&customers.edsger).await;
    refused.expect_problem(401, "connection_reauthorization_required");
    let connection = world.connection(&customers.edsger).await;
    assert_eq!(connection["status"], "reauthorization_required");
    assert_eq!(connection["reason"], "invalid_tenant (AADSTS90002)");
    customers.refresh(&customers.ada).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_refusal_of_the_client_marks_nothing() {
    let customers = Customers::new().await;
    let world = &customers.world;
    for error in ["invalid_client", "unauthorized_client", "invalid_request"] {
        let tenant = TENANT_B.to_string();
        let fault = Fault::on("token.refresh_token")
            .times(0)
            .containing(&tenant)
            .error(error)
            .code(7_654_321);
        let fault = world.entra().inject(fault);
        customers.refresh(&customers.edsger).await.expect_problem(502, "entra_misconfigured");
        customers.refresh(&customers.ada).await.expect(200);
        let integration = customers.integration().await;
        assert_eq!(integration["status"], "ready");
        assert_eq!(integration["refused_tenants"], json!([]));
        fault.remove();
        world.remove(names::CONNECTIONS, &customers.edsger, "retry_at").await;
    }
    customers.refresh(&customers.edsger).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_marks_an_integration_whose_credential_entra_rejects() {
    let customers = Customers::new().await;
    let fixed = json!({"organizations": ["mycompany"], "tenant": TENANT_A.to_string()});
    customers.world.put_integration(INTEGRATION, fixed).await.expect(200);
    customers.world.entra().expire_secrets(DEFAULT_CLIENT_ID).unwrap();
    let finding = customers.finding("client_credential").await.unwrap();
    assert_eq!(finding["status"], "failed", "{finding}");
    assert_eq!(customers.integration().await["status"], "credential_rejected");
}
