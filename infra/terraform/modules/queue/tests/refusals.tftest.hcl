# What the module refuses, before anything is made.

mock_provider "aws" {}

variables {
  name = "billing"
}

run "what_is_too_little" {
  command = plan

  variables {
    visibility_timeout_seconds = 49
    max_receive_count          = 64
    message_retention_seconds  = 59
    max_message_bytes          = 1023
    alarm_age_seconds          = 59
  }

  expect_failures = [
    var.visibility_timeout_seconds, var.max_receive_count, var.message_retention_seconds, var.max_message_bytes,
    var.alarm_age_seconds,
  ]
}

run "what_is_too_much" {
  command = plan

  variables {
    # Without room for -dlq.fifo.
    name                       = join("", [for n in range(72) : "q"])
    visibility_timeout_seconds = 43201
    max_receive_count          = 1001
    message_retention_seconds  = 950401
    max_message_bytes          = 1048577
  }

  expect_failures = [
    var.name, var.visibility_timeout_seconds, var.max_receive_count, var.message_retention_seconds,
    var.max_message_bytes,
  ]
}

run "what_is_something_else" {
  command = plan

  variables {
    name                 = "billing.fifo"
    consumer             = "Mail_Out"
    receive_wait_seconds = 21
    kms_key_arn          = "arn:aws:kms:eu-central-1:123456789012:alias/queues"
    alarm_topic_arns     = ["arn:aws:sqs:eu-central-1:123456789012:billing"]
  }

  expect_failures = [var.name, var.consumer, var.receive_wait_seconds, var.kms_key_arn, var.alarm_topic_arns]
}

# A short poll asks only some of SQS's servers.
run "a_wait_of_nothing" {
  command = plan
  variables { receive_wait_seconds = 0 }
  expect_failures = [var.receive_wait_seconds]
}

# 2 x (20 + 5), just enough.
run "a_lease_of_twice_the_receive" {
  command = plan
  variables { visibility_timeout_seconds = 50 }

  assert {
    condition     = aws_sqs_queue.queue.visibility_timeout_seconds == 50
    error_message = "is taken"
  }
}

# 2 x (1 + 5), just too little.
run "a_shorter_wait_with_a_shorter_lease" {
  command = plan

  variables {
    visibility_timeout_seconds = 11
    receive_wait_seconds       = 1
  }

  expect_failures = [var.visibility_timeout_seconds]
}
