use aws_sdk_sqs::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;

use crate::service::config::check_encrypted;

/// Keeps every request on this machine that is not encrypted, whoever named its endpoint: a
/// variable, a profile, or the queue's URL.
#[derive(Debug)]
pub(super) struct OnlyEncrypted;

/// A request that was not sent.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint of SQS {0}")]
pub(super) struct InTheClear(String);

impl Intercept for OnlyEncrypted {
    fn name(&self) -> &'static str {
        "OnlyEncrypted"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let checked = check_encrypted(context.request().uri());
        checked.map_err(|why| InTheClear(why).into())
    }
}
