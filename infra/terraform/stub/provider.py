"""A stand-in for the provider `hashicorp/aws`, so that the modules can be checked without a network.

It has the schemas of the resources that the modules use, written down by hand from the provider's
documentation, and does nothing: `terraform test` mocks what a resource would answer. What passes
with it is wired as meant. Whether AWS takes it, only AWS can say.
"""

from tf.blocks import SetNestedBlock
from tf.gen import tfplugin_pb2 as pb
from tf.iface import Provider, Resource
from tf.runner import run_provider
from tf.schema import Attribute, Block, Schema
from tf.types import Bool, List, Map, Number, Set, String

TEXT, NUMBER, FLAG, TAGS = String(), Number(), Bool(), Map(String())


class ListBlock(SetNestedBlock):
    """A block that terraform keeps as a list of one at most."""

    def to_pb(self):
        block = super().to_pb()
        block.nesting = pb.Schema.NestedBlock.NestingMode.LIST
        block.max_items = 1
        return block


def required(**types):
    return [Attribute(name, type, required=True) for name, type in types.items()]


def optional(**types):
    return [Attribute(name, type, optional=True) for name, type in types.items()]


def answered(**types):
    """What the provider fills in where it is not given."""
    return [Attribute(name, type, optional=True, computed=True) for name, type in types.items()]


def computed(**types):
    return [Attribute(name, type, computed=True) for name, type in types.items()]


def alarm_queries():
    metric = ListBlock(
        "metric",
        Block(
            required(metric_name=TEXT, period=NUMBER, stat=TEXT)
            + optional(namespace=TEXT, unit=TEXT, dimensions=TAGS)
        ),
    )
    return SetNestedBlock(
        "metric_query",
        Block(
            required(id=TEXT)
            + optional(account_id=TEXT, expression=TEXT, label=TEXT, period=NUMBER, return_data=FLAG),
            [metric],
        ),
    )


SCHEMAS = {
    "sqs_queue": Schema(
        optional(
            content_based_deduplication=FLAG,
            delay_seconds=NUMBER,
            fifo_queue=FLAG,
            kms_master_key_id=TEXT,
            max_message_size=NUMBER,
            message_retention_seconds=NUMBER,
            receive_wait_time_seconds=NUMBER,
            tags=TAGS,
            visibility_timeout_seconds=NUMBER,
        )
        + answered(
            deduplication_scope=TEXT,
            fifo_throughput_limit=TEXT,
            kms_data_key_reuse_period_seconds=NUMBER,
            name=TEXT,
            policy=TEXT,
            redrive_allow_policy=TEXT,
            redrive_policy=TEXT,
            sqs_managed_sse_enabled=FLAG,
        )
        + computed(arn=TEXT, id=TEXT, tags_all=TAGS, url=TEXT)
    ),
    "sqs_queue_policy": Schema(required(policy=TEXT, queue_url=TEXT) + computed(id=TEXT)),
    "sqs_queue_redrive_allow_policy": Schema(
        required(queue_url=TEXT, redrive_allow_policy=TEXT) + computed(id=TEXT)
    ),
    "cloudwatch_metric_alarm": Schema(
        required(alarm_name=TEXT, comparison_operator=TEXT, evaluation_periods=NUMBER)
        + optional(
            actions_enabled=FLAG,
            alarm_actions=Set(TEXT),
            alarm_description=TEXT,
            datapoints_to_alarm=NUMBER,
            dimensions=TAGS,
            insufficient_data_actions=Set(TEXT),
            metric_name=TEXT,
            namespace=TEXT,
            ok_actions=Set(TEXT),
            period=NUMBER,
            statistic=TEXT,
            tags=TAGS,
            threshold=NUMBER,
            treat_missing_data=TEXT,
        )
        + computed(arn=TEXT, id=TEXT, tags_all=TAGS),
        block_types=[alarm_queries()],
    ),
    "iam_policy": Schema(
        required(policy=TEXT)
        + optional(description=TEXT, path=TEXT, tags=TAGS)
        + answered(name=TEXT)
        + computed(arn=TEXT, id=TEXT, policy_id=TEXT, tags_all=TAGS)
    ),
    "sns_topic": Schema(
        optional(display_name=TEXT, kms_master_key_id=TEXT, tags=TAGS)
        + answered(name=TEXT, policy=TEXT)
        + computed(arn=TEXT, id=TEXT, owner=TEXT, tags_all=TAGS)
    ),
    "sns_topic_subscription": Schema(
        required(endpoint=TEXT, protocol=TEXT, topic_arn=TEXT) + computed(arn=TEXT, id=TEXT)
    ),
}


def resource(name, schema):
    class Stub(Resource):
        def __init__(self, provider):
            pass

        @classmethod
        def get_name(cls):
            return name

        @classmethod
        def get_schema(cls):
            return schema

        def create(self, ctx, planned):
            raise NotImplementedError("nothing is made: mock this provider")

        def read(self, ctx, current):
            return current

        def update(self, ctx, current, planned):
            raise NotImplementedError("nothing is changed: mock this provider")

        def delete(self, ctx, current):
            raise NotImplementedError("nothing is deleted: mock this provider")

    return Stub


class Stand(Provider):
    def get_model_prefix(self):
        return "aws_"

    def get_provider_schema(self, diags):
        return Schema(optional(region=TEXT))

    def full_name(self):
        return "hashicorp/aws"

    def validate_config(self, diags, config):
        pass

    def configure_provider(self, diags, config):
        pass

    def get_data_sources(self):
        return []

    def get_resources(self):
        return [resource(name, schema) for name, schema in SCHEMAS.items()]


if __name__ == "__main__":
    run_provider(Stand())
