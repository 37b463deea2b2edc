//! The list of resource areas, completed.
//!
//! Microsoft's Python client looks an area up in the organization's list, and asks the hard-coded
//! `https://app.vssps.visualstudio.com` for every missing area, which would send our key to Microsoft. So the list gets
//! each area for which a client of Microsoft's can ask, and those that Azure DevOps leaves out lead to that very host
//! through the proxy.

use serde_json::{Value, json};

use super::Gateway;
use crate::host::SharedHost;

/// The areas in azure-devops 7.1 (Python) and azure-devops-node-api 17. Their ids are the same in all organizations.
const KNOWN_TO_CLIENTS: &[(&str, &str)] = &[
    ("0d55247a-1c47-4462-9b1f-5e2125590ee6", "Account"),
    ("0f2ca920-f269-4545-b1f4-5b4173aa784e", "Alert"),
    ("1814ab31-2f4f-4a9f-8761-f4d77dc5a5d7", "serviceendpoint"),
    ("1d4f49f9-02b9-4e26-b826-2cdb6195f2a9", "work"),
    ("2e504d18-2c0c-46f8-af8f-322d2af0068a", "sbom"),
    ("31c84e0a-3ece-48fd-a29d-100849af99ba", "Dashboard"),
    ("4a933897-0488-45af-bd82-6fd3ad33f46a", "PipelinesChecks"),
    ("4c83cfc1-f33a-477e-a789-29d38ffca52e", "npm"),
    ("4e080c62-fa21-4fbc-8fef-2a10a2b38049", "git"),
    ("5264459e-e5e0-4bd8-b118-0985e68a4ec5", "wit"),
    ("68ddce18-2501-45f1-a17b-7931a9922690", "MemberEntitlementManagement"),
    ("69d21c00-f135-441b-b5ce-3626378e0819", "gallery"),
    ("6c2b0933-3600-42ae-bf8b-93d4f7e83594", "ExtensionManagement"),
    ("6f7f8c07-ff36-473c-bcf3-bd6cc9b6c066", "maven"),
    ("7658fa33-b1bf-4580-990f-fac5896773d3", "projectanalysis"),
    ("79134c72-4a58-4b42-976c-04e7115f32bf", "core"),
    ("7ab4e64e-c4d8-4f50-ae73-5ef2e21642a5", "Packaging"),
    ("8477aec9-a4c7-4bd4-a456-ba4c53c989cb", "Contribution"),
    ("8a3d49b8-91f0-46ef-b33d-dda338c25db3", "IMS"),
    ("8aa40520-446d-40e6-89f6-9c9f9ce44c48", "tfvc"),
    ("8ccfef3d-2b87-4e99-8ccb-66e343d2daa8", "Profile"),
    ("92f0314b-06c5-46e0-abe7-15fd9d13276a", "pypi"),
    ("94ff054d-5ee1-413d-9341-3f4a7827de2e", "audit"),
    ("965220d5-5bb9-42cf-8d67-9b146df2a5a4", "build"),
    ("a81a0441-de52-4000-aa15-ff0e07bfbbaa", "PipelinePermissions"),
    ("a85b8835-c1a1-4aac-ae97-1c3d0ba72dbd", "distributedtask"),
    ("af607f94-69ba-4821-8159-f04e37b66350", "symbol"),
    ("af68438b-ed04-4407-9eb6-f1dbae3f922e", "TokenAdmin"),
    ("b3be7473-68ea-4a81-bfc7-9530baaa19ad", "nuget"),
    ("b40c1171-807a-493a-8f3f-5c26d5e2f5aa", "provenance"),
    ("bb1e7ec9-e901-4b68-999a-de7012b920f8", "Graph"),
    ("bf7d82a0-8aa5-4613-94ef-6172a5ea01f3", "wiki"),
    ("c2aa639c-3ccc-4740-b3b6-ce2a1e1d984e", "test"),
    ("c83eaf52-edf3-4034-ae11-17d38f25404c", "testresults"),
    ("d397749b-f115-4027-b6dd-77a65dd10d21", "upack"),
    ("ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578", "Search"),
    ("efc2f575-36ef-48e9-b672-0c6fb4a48ac5", "Release"),
    ("f101720c-9790-45a6-9fb3-494a09fddeeb", "Management"),
    ("fb13a388-40dd-4a04-b530-013a739c72ef", "policy"),
];

/// Returns the list with the missing areas, or `None` if it is complete or not such a list. An empty list stays empty:
/// by it Azure DevOps Server puts all areas at the same place.
pub(super) fn completed(json: &str, gateway: &Gateway) -> Option<String> {
    let mut list: Value = serde_json::from_str(json.trim_start_matches('\u{feff}')).ok()?;
    let areas = list.get_mut("value")?.as_array_mut().filter(|areas| !areas.is_empty())?;
    let listed: Vec<_> = areas
        .iter()
        .filter_map(|area| area.get("id")?.as_str().map(str::to_ascii_lowercase))
        .collect();
    let lacking = KNOWN_TO_CLIENTS.iter().filter(|(id, _)| !listed.iter().any(|known| known == id));
    let url = gateway.address(&format!("https://{}/", SharedHost::Profiles.host()))?;
    areas.extend(lacking.map(|(id, name)| json!({"id": id, "name": name, "locationUrl": url})));
    let count = areas.len();
    if count == listed.len() {
        return None;
    }
    list["count"] = count.into();
    Some(list.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn gateway() -> Gateway {
        Gateway::new("https://gateway.example", "conn_1")
    }

    #[test]
    fn the_areas_of_all_clients_are_listed_once_and_lead_through_the_proxy() {
        let git = "4E080C62-FA21-4FBC-8FEF-2A10A2B38049";
        let list = json!({"count": 1, "value": [{"id": git, "name": "git", "locationUrl": "x"}]});
        let completed = completed(&list.to_string(), &gateway()).unwrap();
        let completed: Value = serde_json::from_str(&completed).unwrap();
        let areas = completed["value"].as_array().unwrap();
        assert_eq!((completed["count"].as_u64().unwrap(), areas.len()), (39, 39));
        assert_eq!((&areas[0]["id"], &areas[0]["locationUrl"]), (&json!(git), &json!("x")));
        for (id, name) in KNOWN_TO_CLIENTS.iter().filter(|(id, _)| !id.eq_ignore_ascii_case(git)) {
            let area = areas.iter().find(|area| area["id"] == **id).unwrap();
            assert_eq!(area["name"], **name);
            let url = "https://gateway.example/proxy/conn_1/app.vssps.visualstudio.com/";
            assert_eq!(area["locationUrl"], url);
        }
    }

    #[test]
    fn a_complete_or_empty_list_and_other_documents_stay() {
        let areas: Vec<_> = KNOWN_TO_CLIENTS.iter().map(|(id, _)| json!({"id": id})).collect();
        for text in [
            json!({"count": areas.len(), "value": areas}).to_string(),
            json!({"count": 0, "value": null}).to_string(),
            json!({"count": 0, "value": []}).to_string(),
            json!({"message": "no"}).to_string(),
            "<html>".to_owned(),
        ] {
            assert_eq!(completed(&text, &gateway()), None, "{text}");
        }
    }
}
