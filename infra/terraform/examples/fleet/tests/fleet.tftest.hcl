# What the example puts together.

mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:fleet-pages" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { url = "mock://queue" }
  }
}

run "every_consumer_has_its_queue_and_its_variable" {
  assert {
    condition     = { for name, queue in module.queue : name => [queue.queue_name, queue.dlq_name] } == { billing = ["billing", "billing-dlq"] }
    error_message = "a queue and a dead-letter queue a consumer"
  }

  assert {
    condition     = output.env == { AWS_REGION = "eu-central-1", BILLING_QUEUE_URL = "mock://queue" }
    error_message = "the environment of the fleet"
  }

  assert {
    condition     = output.env_file == "AWS_REGION=eu-central-1\nBILLING_QUEUE_URL=mock://queue\n"
    error_message = "the same as a file"
  }
}

run "each_process_has_the_policies_of_its_queues" {
  assert {
    condition = alltrue([
      for arns in [output.relay_policy_arns, output.operator_policy_arns, output.autoscaler_policy_arns] : length(arns) == length(module.queue)
    ])
    error_message = "relay, operator and autoscaler see every queue"
  }

  assert {
    condition     = output.consumer_policy_arns == { billing = module.queue["billing"].policy_arns["consumer"] }
    error_message = "a consumer has its own queue alone"
  }

  assert {
    condition     = output.producer_policy_arns == { billing = module.queue["billing"].policy_arns["producer"] }
    error_message = "so has a producer"
  }
}

run "nobody_gets_mail_who_is_not_named" {
  assert {
    condition     = length(aws_sns_topic_subscription.mail) == 0
    error_message = "there is a topic, and no subscription"
  }
}

run "whoever_is_named_gets_the_pages_by_mail" {
  variables {
    page_email = "on-call@example.com"
  }

  assert {
    condition     = [aws_sns_topic_subscription.mail[0].protocol, aws_sns_topic_subscription.mail[0].endpoint] == ["email", "on-call@example.com"]
    error_message = "by mail"
  }

  assert {
    condition     = aws_sns_topic_subscription.mail[0].topic_arn == output.pages_topic_arn
    error_message = "from the topic of the alarms"
  }
}

run "something_else_than_an_address" {
  command = plan
  variables { page_email = "pager" }
  expect_failures = [var.page_email]
}
