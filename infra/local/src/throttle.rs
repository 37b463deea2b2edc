//! The throttle of a stage: a token bucket for all its requests
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html>). AWS calls its
//! throttles targets and may let more requests pass; this one is exact.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::StartError;
use crate::template::Template;

/// A token bucket, stored as the time at which it will be full again (GCRA).
#[derive(Debug)]
pub(crate) struct Throttle {
    /// The time in which one token flows in.
    interval: Duration,
    /// The time in which an empty bucket fills.
    capacity: Duration,
    full_at: Mutex<Instant>,
}

impl Throttle {
    /// Returns the throttle of the HTTP API's stage.
    ///
    /// # Errors
    /// [`StartError::Template`] if the stage has none.
    pub(crate) fn of_http_api(template: &Template) -> Result<Self, StartError> {
        let stage = template.of_type("AWS::ApiGatewayV2::Stage").next();
        let settings = stage.map(|(_, stage)| &stage.properties["DefaultRouteSettings"]);
        Self::of(template, settings)
    }

    /// Returns the throttle of the REST API's stage.
    ///
    /// # Errors
    /// [`StartError::Template`] if the stage has none for all its methods.
    pub(crate) fn of_rest_api(template: &Template) -> Result<Self, StartError> {
        let stage = template.of_type("AWS::ApiGateway::Stage").next();
        let settings = stage.and_then(|(_, stage)| {
            let mut all = stage.properties["MethodSettings"].as_array()?.iter();
            all.find(|one| one["HttpMethod"] == "*" && one["ResourcePath"] == "/*")
        });
        Self::of(template, settings)
    }

    fn of(template: &Template, settings: Option<&Value>) -> Result<Self, StartError> {
        let number = |name: &str| template.number::<f64>(&settings?[name]);
        match (number("ThrottlingRateLimit"), number("ThrottlingBurstLimit")) {
            (Some(rate), Some(burst)) if rate > 0.0 && burst > 0.0 => Ok(Self::new(rate, burst)),
            _ => Err(StartError::Template("a stage has no usable throttle".to_owned())),
        }
    }

    /// A full bucket of `burst` tokens, into which `rate` tokens flow a second.
    fn new(rate: f64, burst: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate);
        Self { interval, capacity: interval.mul_f64(burst), full_at: Mutex::new(Instant::now()) }
    }

    /// Takes a token for a request. Returns whether there was one.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let with_this = (*full_at).max(now) + self.interval;
        let is_admitted = with_this - now <= self.capacity;
        if is_admitted {
            *full_at = with_this;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The number of `requests` at a time that are admitted.
    fn admitted(throttle: &Throttle, requests: u32, at: Instant) -> usize {
        (0..requests).filter(|_| throttle.admits(at)).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (throttle, begin) = (Throttle::new(10.0, 25.0), Instant::now());
        assert_eq!(admitted(&throttle, 100, begin), 25);
        assert_eq!(admitted(&throttle, 100, begin + Duration::from_millis(99)), 0);
        assert_eq!(admitted(&throttle, 100, begin + Duration::from_millis(100)), 1);
        assert_eq!(admitted(&throttle, 100, begin + Duration::from_millis(1100)), 10);
        // The bucket holds no more than the burst.
        assert_eq!(admitted(&throttle, 100, begin + Duration::from_hours(1)), 25);
    }

    #[test]
    fn both_stages_are_throttled_as_the_parameters_of_the_deployment_say() {
        let default = Template::read().unwrap();
        let parameter = |name: &str| default.parameters[name]["Default"].as_f64().unwrap();
        let (rate, burst) = (parameter("ThrottleRate"), parameter("ThrottleBurst"));
        let (interval, capacity) = (1.0 / rate, burst / rate);
        for throttle in [Throttle::of_http_api(&default), Throttle::of_rest_api(&default)] {
            let throttle = throttle.unwrap();
            let found = (throttle.interval.as_secs_f64(), throttle.capacity.as_secs_f64());
            assert!((found.0 - interval).abs() < 1e-9 && (found.1 - capacity).abs() < 1e-6);
        }
        let parameters = [("ThrottleRate".to_owned(), "2".to_owned())];
        let deployed = Template::read().unwrap().deployed_with(&parameters).unwrap();
        let throttle = Throttle::of_http_api(&deployed).unwrap();
        assert_eq!(throttle.interval, Duration::from_millis(500));
    }

    #[test]
    fn a_stage_without_a_throttle_is_an_error() {
        let template: Template = "Resources: {}".parse().unwrap();
        assert!(Throttle::of_http_api(&template).is_err());
        assert!(Throttle::of_rest_api(&template).is_err());
    }
}
