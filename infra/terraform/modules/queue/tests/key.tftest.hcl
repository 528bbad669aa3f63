# Encryption with a key of one's own.

mock_provider "aws" {}

variables {
  name        = "billing"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_key_of_ones_own_takes_the_place_of_sqs_own" {
  assert {
    condition     = aws_sqs_queue.queue.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dlq.kms_master_key_id == var.kms_key_arn
    error_message = "both queues are encrypted with the key"
  }

  # SQS refuses both at once.
  assert {
    condition     = aws_sqs_queue.queue.sqs_managed_sse_enabled != true && aws_sqs_queue.dlq.sqs_managed_sse_enabled != true
    error_message = "SSE-SQS is left alone"
  }

  assert {
    condition = {
      for role, policy in output.policies : role => flatten([
        for statement in jsondecode(policy).Statement : statement.Action if statement.Resource == var.kms_key_arn
      ])
      } == {
      autoscaler = []
      consumer   = ["kms:Decrypt", "kms:GenerateDataKey"]
      operator   = ["kms:Decrypt", "kms:GenerateDataKey"]
      producer   = ["kms:Decrypt", "kms:GenerateDataKey"]
      relay      = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    error_message = "all but the autoscaler use the key"
  }
}
