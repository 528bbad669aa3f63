use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;

use super::call::finish;
use super::handle::SqsQueue;
use crate::queue::QueueError;

/// Keeps what the answer of a call says of the time.
#[derive(Clone, Debug, Default)]
struct DateHeader(Arc<Mutex<Option<String>>>);

impl SqsQueue {
    /// Asks SQS for the time, in whole seconds; `None` where its answer does not tell.
    ///
    /// # Errors
    ///
    /// As every call.
    ///
    /// # Cancellation
    ///
    /// May be dropped at any time.
    pub async fn time(&self) -> Result<Option<Timestamp>, QueueError> {
        let header = DateHeader::default();
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn)
            .customize()
            .interceptor(header.clone());
        finish(&self.metrics, "GetQueueAttributes", call.send()).await?;
        Ok(header.read())
    }
}

impl DateHeader {
    fn read(&self) -> Option<Timestamp> {
        let text = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        let time = DateTime::from_str(&text, Format::HttpDate).ok()?;
        Timestamp::from_second(time.secs()).ok()
    }
}

#[dyn_dispatch_hint]
impl Intercept for DateHeader {
    fn name(&self) -> &'static str {
        "DateHeader"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(str::to_owned);
        Ok(())
    }
}
