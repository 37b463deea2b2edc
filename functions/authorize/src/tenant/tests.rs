use emulators::entra::{TENANT_A, TENANT_B};
use emulators::{AzureDevOps, AzureDevOpsOptions, Entra, EntraOptions, Fault};
use ground::clock::StoppedClock;
use jiff::Timestamp;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;

/// The route of Azure DevOps' stand-in that names an organization's tenant.
const PROBE: &str = "organization_probe";

struct World {
    devops: AzureDevOps,
    clock: Arc<StoppedClock>,
    tenants: OrganizationTenants,
    _entra: Entra,
}

async fn world() -> World {
    let listener = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let entra =
        Entra::start(listener().await, EntraOptions::redirecting_to("http://localhost/")).unwrap();
    let options = AzureDevOpsOptions::default();
    let devops = AzureDevOps::start(listener().await, &entra, options).unwrap();
    let clock = StoppedClock::at(Timestamp::from_second(1_800_000_000).unwrap());
    let url = devops.base_url().parse().unwrap();
    let client = DevopsClient::new(ground::http::client().unwrap(), Some(url));
    let tenants = OrganizationTenants::new(client, clock.clone());
    World { devops, clock, tenants, _entra: entra }
}

impl World {
    /// The tenant of a sign-in where the integration's tenant is `auto`.
    async fn automatic(
        &self,
        served: &Organizations,
        organization: Option<&str>,
    ) -> Result<Tenant, Problem> {
        let organization = organization.map(|name| name.parse().unwrap());
        self.tenants.of(&TenantSetting::Auto, served, organization.as_ref()).await
    }
}

fn named(names: &[&str]) -> Organizations {
    Organizations::Named(names.iter().map(|name| name.parse().unwrap()).collect())
}

fn id(tenant: Uuid) -> Tenant {
    Tenant::Id(tenant.to_string().parse().unwrap())
}

#[tokio::test]
async fn a_configured_tenant_is_taken_without_asking_azure_devops() {
    let world = world().await;
    let configured = TenantSetting::Fixed(id(TENANT_B));
    let tenant = world.tenants.of(&configured, &named(&["mycompany"]), None).await.unwrap();
    assert_eq!(tenant, id(TENANT_B));
    assert_eq!(world.devops.count(PROBE), 0);
}

#[tokio::test]
async fn the_tenant_that_backs_the_only_organization_is_taken() {
    let world = world().await;
    let tenant = world.automatic(&named(&["contoso"]), None).await.unwrap();
    assert_eq!(tenant, id(TENANT_B));
}

#[tokio::test]
async fn the_organization_of_the_connect_session_decides_among_several() {
    let world = world().await;
    let served = named(&["mycompany", "contoso"]);
    assert_eq!(world.automatic(&served, Some("contoso")).await.unwrap(), id(TENANT_B));
    assert_eq!(world.automatic(&served, Some("mycompany")).await.unwrap(), id(TENANT_A));
    assert_eq!(world.automatic(&Organizations::Any, Some("contoso")).await.unwrap(), id(TENANT_B));
}

#[tokio::test]
async fn the_account_decides_where_no_organization_is_named() {
    let world = world().await;
    for served in [named(&["mycompany", "contoso"]), Organizations::Any] {
        assert_eq!(world.automatic(&served, None).await.unwrap(), Tenant::Organizations);
    }
    assert_eq!(world.devops.count(PROBE), 0);
}

#[tokio::test]
async fn an_organization_of_personal_accounts_is_refused() {
    let world = world().await;
    let personal = Fault::on(PROBE)
        .status(404)
        .header("x-vss-resourcetenant", "00000000-0000-0000-0000-000000000000");
    world.devops.inject(personal);
    let refused = world.automatic(&named(&["mycompany"]), None).await.unwrap_err();
    assert_eq!(refused.code(), Code::OrganizationNotBackedByEntra);
}

#[tokio::test]
async fn the_account_decides_while_azure_devops_does_not_answer() {
    let world = world().await;
    world.devops.inject(Fault::on(PROBE).status(503).times(1));
    let served = named(&["contoso"]);
    assert_eq!(world.automatic(&served, None).await.unwrap(), Tenant::Organizations);
    assert_eq!(world.automatic(&served, None).await.unwrap(), id(TENANT_B));
}

#[tokio::test]
async fn an_organization_that_moved_is_found_at_the_next_sign_in() {
    let world = world().await;
    let served = named(&["contoso"]);
    assert_eq!(world.automatic(&served, None).await.unwrap(), id(TENANT_B));
    world.devops.move_organization("contoso", TENANT_A).unwrap();
    assert_eq!(world.automatic(&served, None).await.unwrap(), id(TENANT_A));
}

#[tokio::test]
async fn the_last_tenant_is_taken_for_a_day_while_azure_devops_does_not_answer() {
    let world = world().await;
    let served = named(&["contoso"]);
    assert_eq!(world.automatic(&served, None).await.unwrap(), id(TENANT_B));
    world.devops.inject(Fault::on(PROBE).status(503).times(0));
    for _ in 0..3 {
        assert_eq!(world.automatic(&served, None).await.unwrap(), id(TENANT_B));
    }
    assert_eq!(world.devops.count(PROBE), 2, "it is asked again only after a pause");
    world.clock.advance(24 * 60 * 60);
    assert_eq!(world.automatic(&served, None).await.unwrap(), Tenant::Organizations);
}

#[tokio::test]
async fn the_first_tenant_among_repeated_headers_is_taken() {
    let world = world().await;
    world.devops.change_settings(|settings| settings.nil_resource_tenant_first = true);
    assert_eq!(world.automatic(&named(&["contoso"]), None).await.unwrap(), id(TENANT_B));
}
