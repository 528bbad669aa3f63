# A standard queue as it is without any setting but its name.

mock_provider "aws" {}

override_resource {
  target = aws_sqs_queue.queue
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:billing"
    url = "mock://billing"
  }
}

override_resource {
  target = aws_sqs_queue.dlq
  values = {
    arn = "arn:aws:sqs:eu-central-1:123456789012:billing-dlq"
    url = "mock://billing-dlq"
  }
}

variables {
  name = "billing"
  tags = { team = "orders" }
}

run "a_queue_comes_with_its_dead_letter_queue" {
  assert {
    condition     = aws_sqs_queue.queue.name == "billing" && aws_sqs_queue.dlq.name == "billing-dlq"
    error_message = "the dead-letter queue is NAME-dlq"
  }

  assert {
    condition = jsondecode(aws_sqs_queue.queue.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:billing-dlq"
      maxReceiveCount     = 100
    }
    error_message = "the queue redrives to its own dead-letter queue after 100 receives"
  }

  assert {
    condition     = aws_sqs_queue.dlq.message_retention_seconds == 14 * 24 * 60 * 60
    error_message = "the dead-letter queue keeps messages for 14 days"
  }

  assert {
    condition     = aws_sqs_queue.queue.message_retention_seconds == 4 * 24 * 60 * 60
    error_message = "the queue keeps messages for 4 days"
  }

  assert {
    condition     = aws_sqs_queue.queue.fifo_queue == false && aws_sqs_queue.dlq.fifo_queue == false
    error_message = "both are standard queues"
  }

  # Only the queue may redrive to its dead letter queue.
  assert {
    condition = jsondecode(aws_sqs_queue_redrive_allow_policy.dlq.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:billing"]
    }
    error_message = "the dead-letter queue admits this queue alone"
  }

  assert {
    condition     = aws_sqs_queue_redrive_allow_policy.dlq.queue_url == "mock://billing-dlq"
    error_message = "it is the policy of the dead-letter queue"
  }

  # The lease is what the fleet expects.
  assert {
    condition     = aws_sqs_queue.queue.visibility_timeout_seconds == 60 && aws_sqs_queue.dlq.visibility_timeout_seconds == 60
    error_message = "visibility timeout 60 s"
  }

  assert {
    condition     = aws_sqs_queue.queue.receive_wait_time_seconds == 20 && aws_sqs_queue.dlq.receive_wait_time_seconds == 20
    error_message = "receives wait 20 s"
  }

  assert {
    condition     = aws_sqs_queue.queue.max_message_size == 1024 * 1024 && aws_sqs_queue.dlq.max_message_size == 1024 * 1024
    error_message = "both take messages of 1 MiB, as the dead-letter copy is larger than its original"
  }

  # Bodies are encrypted with the key of sqs.
  assert {
    condition     = aws_sqs_queue.queue.sqs_managed_sse_enabled && aws_sqs_queue.dlq.sqs_managed_sse_enabled
    error_message = "both are encrypted with SSE-SQS"
  }

  assert {
    condition     = aws_sqs_queue.queue.kms_master_key_id == null && aws_sqs_queue.dlq.kms_master_key_id == null
    error_message = "no key of KMS is named"
  }

  # Nobody comes without tls.
  assert {
    condition = jsondecode(aws_sqs_queue_policy.queue.policy).Statement == [{
      Sid       = "RefuseWithoutTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = "arn:aws:sqs:eu-central-1:123456789012:billing"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "the queue refuses everybody without TLS"
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_policy.dlq.policy).Statement[0].Resource == "arn:aws:sqs:eu-central-1:123456789012:billing-dlq"
    error_message = "the dead-letter queue does so for itself"
  }

  assert {
    condition     = aws_sqs_queue_policy.queue.queue_url == "mock://billing" && aws_sqs_queue_policy.dlq.queue_url == "mock://billing-dlq"
    error_message = "each policy is at its own queue"
  }

  # Everything is tagged.
  assert {
    condition = alltrue([
      for tags in concat(
        [aws_sqs_queue.queue.tags, aws_sqs_queue.dlq.tags],
        [aws_cloudwatch_metric_alarm.dlq_depth.tags, aws_cloudwatch_metric_alarm.oldest_message_age.tags],
        [for policy in aws_iam_policy.role : policy.tags],
      ) : tags == tomap({ team = "orders" })
    ])
    error_message = "queues, alarms and policies have the tags"
  }

  # The outputs name both queues.
  assert {
    condition = [output.queue_name, output.queue_url, output.queue_arn] == [
      "billing", "mock://billing", "arn:aws:sqs:eu-central-1:123456789012:billing",
    ]
    error_message = "the outputs of the queue"
  }

  assert {
    condition = [output.dlq_name, output.dlq_url, output.dlq_arn] == [
      "billing-dlq", "mock://billing-dlq", "arn:aws:sqs:eu-central-1:123456789012:billing-dlq",
    ]
    error_message = "the outputs of the dead-letter queue"
  }

  assert {
    condition     = output.env == { BILLING_QUEUE_URL = "mock://billing" }
    error_message = "the variable of the consumer"
  }
}

run "the_variable_is_named_after_the_consumer" {
  variables {
    name     = "prod-mail"
    consumer = "mail-out"
  }

  assert {
    condition     = output.env == { MAIL_OUT_QUEUE_URL = "mock://billing" }
    error_message = "upper case, and _ for -"
  }
}
