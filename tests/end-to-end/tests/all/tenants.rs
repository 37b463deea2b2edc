//! One customer's tenant refuses the app, or is not found: its connections wait, and no others.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::{AppStatus, DEFAULT_CLIENT_ID, TENANT_A, TENANT_B};
use emulators::{Fault, FaultHandle};
use end_to_end::portal::Operator;
use end_to_end::{Answer, Caller, INTEGRATION, PROJECTS, World};
use jiff::{SignedDuration, Timestamp};
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
        self.world.renew(connection).await
    }

    async fn integration(&self) -> Value {
        let path = format!("/integrations/{INTEGRATION}");
        self.world.get(&Caller::Operator, &path).await.expect(200).json()
    }

    /// The entry of edsger's tenant.
    async fn entry(&self) -> HashMap<String, AttributeValue> {
        let items = self.world.items(names::INTEGRATIONS).await;
        let item = items.iter().find(|item| item["pk"].as_s().unwrap() == &key()).unwrap();
        item[&attribute(&TENANT_B.to_string())].as_m().unwrap().clone()
    }

    /// Sets a number in the entry of edsger's tenant.
    async fn set_entry(&self, name: &str, number: i64) {
        let mut refused = self.entry().await;
        refused.insert(name.to_owned(), AttributeValue::N(number.to_string()));
        self.put_entry(&TENANT_B.to_string(), refused).await;
        // Each process caches the entry for some seconds.
        self.world.stack.restart_functions().await;
    }

    async fn put_entry(&self, tenant: &str, entry: HashMap<String, AttributeValue>) {
        let entry = AttributeValue::M(entry);
        self.world.set(names::INTEGRATIONS, &key(), &attribute(tenant), entry).await;
    }

    /// Fills the list with tenants like edsger's, which leaves it.
    async fn fill_list(&self) {
        let like = self.entry().await;
        for number in 0..400 {
            let tenant = format!("{number:08x}-0000-4000-8000-000000000000");
            let mut entry = like.clone();
            entry.insert("tenant".to_owned(), AttributeValue::S(tenant.clone()));
            self.put_entry(&tenant, entry).await;
        }
        self.world.remove(names::INTEGRATIONS, &key(), &attribute(&TENANT_B.to_string())).await;
        let count = AttributeValue::N("400".to_owned());
        self.world.set(names::INTEGRATIONS, &key(), "tenants", count).await;
        self.world.stack.restart_functions().await;
    }

    /// Lets Entra reject the credential in every request that contains this text.
    fn reject_credential(&self, containing: &str) -> FaultHandle {
        let fault = Fault::on("token.refresh_token").times(0).containing(containing);
        self.world.entra().inject(fault.status(401).error("invalid_client").code(7_000_215))
    }

    async fn finding(&self, check: &str) -> Option<Value> {
        self.world.finding(INTEGRATION, check).await
    }
}

/// The key of the item about the tenants.
fn key() -> String {
    format!("tenants#{INTEGRATION}#{DEFAULT_CLIENT_ID}")
}

fn attribute(tenant: &str) -> String {
    format!("tenant_{}", tenant.replace('-', "_"))
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

    let hours_ago = |hours| (Timestamp::now() - SignedDuration::from_hours(hours)).as_second();
    customers.set_entry("since", hours_ago(25)).await;
    customers.set_entry("refused_at", hours_ago(2)).await;
    customers.set_entry("probed_at", hours_ago(2)).await;
    let asked_before = world.entra().count("metadata");
    let refused = customers.refresh(&customers.edsger).await;
    assert!(world.entra().count("metadata") > asked_before, "Entra is asked once more");
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

#[tokio::test(flavor = "multi_thread")]
async fn verify_reports_a_number_that_is_unknown_and_marks_nothing() {
    let customers = Customers::new().await;
    let fixed = json!({"organizations": ["mycompany"], "tenant": TENANT_A.to_string()});
    customers.world.put_integration(INTEGRATION, fixed).await.expect(200);
    for error in ["invalid_client", "unauthorized_client", "invalid_request"] {
        let fault = Fault::on("token.client_credentials").times(0).error(error).code(7_654_321);
        let fault = customers.world.entra().inject(fault);
        let finding = customers.finding("client_credential").await.unwrap();
        assert_eq!(finding["status"], "failed", "{finding}");
        assert!(finding["detail"].as_str().unwrap().contains("AADSTS7654321"), "{finding}");
        assert!(finding["fix"].as_str().unwrap().contains("not marked"), "{finding}");
        assert_eq!(customers.integration().await["status"], "ready");
        fault.remove();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_named_organizations_only_the_one_whose_tenant_lacks_the_app_waits() {
    let world = World::start().await;
    let named = json!({"organizations": ["mycompany", "contoso"], "confirmation": "none"});
    world.put_integration(INTEGRATION, named).await.expect(200);
    let ada = Customers::connect(&world, "ada", "mycompany").await;
    let edsger = Customers::connect(&world, "edsger", "contoso").await;
    let customers = Customers { world, ada, edsger };
    let fault = Fault::on("token.refresh_token").times(0).containing(&TENANT_B.to_string());
    let fault = fault.status(400).error("unauthorized_client").code(700_016);
    customers.world.entra().inject(fault);
    for _ in 0..2 {
        let refused = customers.refresh(&customers.edsger).await;
        refused.expect_problem(502, "tenant_refused");
        customers.refresh(&customers.ada).await.expect(200);
        let integration = customers.integration().await;
        assert_eq!(integration["status"], "ready");
        let refused = &integration["refused_tenants"][0];
        assert_eq!(refused["reason"], "unauthorized_client (AADSTS700016)");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_tenant_does_not_use_up_the_attempt_with_a_rejected_credential() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Disabled);
    customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    let rejected = customers.reject_credential(&TENANT_A.to_string());
    customers.refresh(&customers.ada).await.expect_problem(502, "credential_rejected");
    rejected.remove();
    let past = AttributeValue::N("1000000000".to_owned());
    let key = format!("integration#{INTEGRATION}");
    world.set(names::INTEGRATIONS, &key, "probed_at", past).await;
    customers.refresh(&customers.edsger).await.expect_problem(502, "credential_rejected");
    world.make_due(&customers.edsger).await;
    world.work_on(&customers.edsger).await.unwrap();
    customers.refresh(&customers.ada).await.expect(200);
    assert_eq!(customers.integration().await["status"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_of_tenants_is_shown_and_holds_up_no_renewal() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Disabled);
    customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    let operator = Operator::sign_in(world, world.stack.operator_key()).await;
    let path = format!("/portal/integrations/{INTEGRATION}");
    let page = operator.open(&path).await.expect(200);
    let page = page.text();
    for shown in [&*TENANT_B.to_string(), "AADSTS7000112", "admin consent link", "Next attempt"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("This list is full"));
    assert_eq!(customers.integration().await["refused_tenants_full"], false);

    customers.fill_list().await;
    for connection in [&customers.ada, &customers.edsger] {
        world.make_due(connection).await;
        world.work_on(connection).await.unwrap();
    }
    let shown = world.connection(&customers.ada).await;
    assert!(shown["last_refreshed_at"].is_string(), "{shown}");
    let asked = world.entra().count("token.refresh_token");
    customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    assert_eq!(world.entra().count("token.refresh_token"), asked, "it waits by itself");
    let integration = customers.integration().await;
    assert_eq!(integration["status"], "ready");
    assert_eq!(integration["refused_tenants_full"], true);
    assert_eq!(integration["refused_tenants"].as_array().unwrap().len(), 400);
    assert!(operator.open(&path).await.expect(200).text().contains("This list is full"));
    let path = format!("/integrations/{INTEGRATION}/verify");
    let verified = world.post(&Caller::Operator, &path, json!({})).await.expect(200);
    assert!(verified.text().contains("is full"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_began_before_a_deletion_leaves_no_tenant_behind() {
    let customers = Customers::new().await;
    let world = &customers.world;
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Disabled);
    let held = world.entra().inject(Fault::on("token.refresh_token").hold().after_handling());
    let delete = async {
        held.arrived(1).await;
        let path = format!("/integrations/{INTEGRATION}");
        world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
        held.release();
    };
    tokio::join!(customers.refresh(&customers.edsger), delete);
    let items = world.items(names::INTEGRATIONS).await;
    let left = items.iter().filter(|item| item["pk"].as_s().unwrap().starts_with("tenants#"));
    assert_eq!(left.count(), 0);
}

/// A connection as it is stored.
async fn stored(world: &World, connection: &str) -> HashMap<String, AttributeValue> {
    let items = world.items(names::CONNECTIONS).await;
    items.into_iter().find(|item| item["pk"].as_s().unwrap() == connection).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_newer_release_leave_their_items_usable() {
    let customers = Customers::new().await;
    let world = &customers.world;
    let newer = || AttributeValue::S("of_a_newer_release".to_owned());
    world.entra().set_app_status_in(DEFAULT_CLIENT_ID, TENANT_B, AppStatus::Disabled);
    customers.refresh(&customers.edsger).await.expect_problem(502, "tenant_refused");
    let mut entry = customers.entry().await;
    entry.insert("kind".to_owned(), newer());
    customers.put_entry(&TENANT_B.to_string(), entry).await;
    world.set(names::CONNECTIONS, &customers.ada, "failure", newer()).await;
    let integration = format!("integration#{INTEGRATION}");
    world.set(names::INTEGRATIONS, &integration, "confirmation", newer()).await;
    world.stack.restart_functions().await;
    assert_eq!(world.connection(&customers.ada).await["status"], "active");
    assert_eq!(customers.integration().await["confirmation"], "required");
    assert_eq!(customers.integration().await["refused_tenants"][0]["kind"], "refused");
    // A call records its use, and the value of the newer release stays.
    let path = format!("/proxy/{}/{PROJECTS}", customers.ada);
    world.get(&Caller::Application, &path).await.expect(200);
    assert_eq!(stored(world, &customers.ada).await["failure"], newer());
    customers.refresh(&customers.ada).await.expect(200);

    // A status that decides is neither used nor changed, and stays in the schedule.
    world.set(names::CONNECTIONS, &customers.ada, "status", newer()).await;
    world.make_due(&customers.ada).await;
    world.work_on(&customers.ada).await.unwrap();
    world.get(&Caller::Application, &path).await.expect_problem(503, "service_unavailable");
    let ada = stored(world, &customers.ada).await;
    assert_eq!((&ada["status"], ada.contains_key("due_at")), (&newer(), true));
    for word in ["of_a_newer_release", "unknown"] {
        let unknown = format!("/connections?status={word}");
        world.get(&Caller::Application, &unknown).await.expect_problem(400, "invalid_request");
    }
    // Neither does another sign-in change it, before it is confirmed.
    let link = world.connect_url_for(json!({
        "integration": INTEGRATION, "user": "ada", "organization": "mycompany", "return_to": world.return_to(),
    }));
    world.browser().finish(&link.await, "ada").await.expect(303);
    let ada = stored(world, &customers.ada).await;
    assert_eq!((&ada["status"], ada.contains_key("pending")), (&newer(), true));

    world.set(names::INTEGRATIONS, &integration, "status", newer()).await;
    let listed = world.get(&Caller::Operator, "/integrations").await.expect(200).json();
    assert_eq!(listed["items"][0]["status"], "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_newer_release_outlive_a_save_of_their_integration() {
    let customers = Customers::new().await;
    let world = &customers.world;
    let newer = || AttributeValue::S("of_a_newer_release".to_owned());
    let key = format!("integration#{INTEGRATION}");
    let credential = HashMap::from([("kind".to_owned(), newer())]);
    world.set(names::INTEGRATIONS, &key, "credential", AttributeValue::M(credential.clone())).await;
    world.set(names::INTEGRATIONS, &key, "status", newer()).await;
    world.set(names::INTEGRATIONS, &key, "setting", newer()).await;
    let keeping = json!({"client_credential": null, "always_warm": true});
    let saved = world.put_integration(INTEGRATION, keeping).await.expect(200).json();
    assert_eq!(saved["always_warm"], true, "{saved}");
    let items = world.items(names::INTEGRATIONS).await;
    let item = items.iter().find(|item| item["pk"].as_s().unwrap() == &key).unwrap();
    assert_eq!((&item["status"], &item["setting"]), (&newer(), &newer()));
    assert_eq!(item["credential"].as_m().unwrap(), &credential);
    assert_eq!(item["always_warm"], AttributeValue::Bool(true));
}
