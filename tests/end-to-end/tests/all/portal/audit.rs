//! The audit trail in the portal.

use end_to_end::{Caller, World};

use super::operator;

/// The rows of a page's table.
fn rows(page: &str) -> Vec<&str> {
    page.split("<tr><td").skip(1).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_and_a_key_lead_to_their_entries_the_latest_first() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    let bearer = Caller::Bearer(key.clone());
    let id = world.connect("ada", "ada").await;
    world.get(&bearer, &format!("/connections/{id}")).await.expect(200);
    let operator = operator(&world).await;
    operator.submit_and_follow(&format!("/portal/connections/{id}/pause"), &[]).await.expect(200);

    let connection = operator.open(&format!("/portal/connections/{id}")).await.expect(200).text();
    let order = ["connection paused", "connection confirmed", "connection connected"];
    let found = rows(&connection);
    assert_eq!(found.len(), order.len(), "{connection}");
    for (row, what) in found.iter().zip(order) {
        assert!(row.contains(what) && row.contains("127.0.0.1"), "{what}: {row}");
    }
    assert!(connection.contains(&format!("href=\"/portal/audit?connection={id}\"")));

    let keys = operator.open("/portal/api-keys").await.expect(200).text();
    let of_key = format!("/portal/audit?key={}", key.split('_').nth(1).unwrap());
    assert!(keys.contains(&format!("href=\"{of_key}\"")), "{keys}");
    let page = operator.open(&of_key).await.expect(200).text();
    let found = rows(&page);
    assert_eq!(found.len(), 2, "{page}");
    assert!(found[0].contains("api key used") && found[1].contains("api key created"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_trail_is_read_page_by_page_and_until_a_day() {
    let world = World::start().await;
    let operator = operator(&world).await;
    for _ in 0..30 {
        world.new_key("application", None).await;
    }
    let mut found = Vec::new();
    let mut next = Some("/portal/audit".to_owned());
    while let Some(path) = next {
        let page = operator.open(&path).await.expect(200).text();
        found.extend(rows(&page).into_iter().map(str::to_owned));
        let link = page.split("rel=\"next\" href=\"").nth(1);
        next = link.map(|rest| end_to_end::portal::unescaped(rest.split('"').next().unwrap()));
    }
    let created = found.iter().filter(|row| row.contains("api key created")).count();
    assert_eq!(created, 31, "{found:#?}");
    let long_ago = operator.open("/portal/audit?until=2020-01-01").await.expect(200).text();
    assert!(long_ago.contains("There are no entries"), "{long_ago}");
    operator.open("/portal/audit?connection=nothing").await.expect(400);
}
