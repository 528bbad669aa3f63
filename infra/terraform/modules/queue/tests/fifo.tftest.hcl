# FIFO queues: names, types, high throughput.

mock_provider "aws" {}

variables {
  name = "ledger"
  fifo = true
}

run "both_queues_are_fifo_and_named_so" {
  assert {
    condition     = aws_sqs_queue.queue.name == "ledger.fifo" && aws_sqs_queue.dlq.name == "ledger-dlq.fifo"
    error_message = "names of FIFO queues end in .fifo, and -dlq stands before it"
  }

  assert {
    condition     = aws_sqs_queue.queue.fifo_queue && aws_sqs_queue.dlq.fifo_queue
    error_message = "the dead-letter queue is of the type of its source"
  }

  assert {
    condition     = coalesce(aws_sqs_queue.queue.content_based_deduplication, false) == false
    error_message = "the fleet sends deduplication ids of its own"
  }

  assert {
    condition     = keys(output.env) == ["LEDGER_QUEUE_URL"]
    error_message = "the variable knows no .fifo"
  }

  assert {
    condition     = aws_iam_policy.role["consumer"].name == "ledger.fifo-consumer"
    error_message = "a policy is named after its queue"
  }

  # High throughput is the default.
  assert {
    condition     = aws_sqs_queue.queue.deduplication_scope == "messageGroup" && aws_sqs_queue.queue.fifo_throughput_limit == "perMessageGroupId"
    error_message = "limits are counted for each message group"
  }

  assert {
    condition     = aws_sqs_queue.dlq.deduplication_scope == "messageGroup" && aws_sqs_queue.dlq.fifo_throughput_limit == "perMessageGroupId"
    error_message = "in the dead-letter queue, too"
  }
}

run "it_can_be_left_out" {
  variables {
    fifo_high_throughput = false
  }

  assert {
    condition     = aws_sqs_queue.queue.deduplication_scope == "queue" && aws_sqs_queue.queue.fifo_throughput_limit == "perQueue"
    error_message = "limits are counted for the queue"
  }
}
