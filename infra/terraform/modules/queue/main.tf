# A queue, its dead-letter queue, and the alarms of both.

locals {
  suffix   = var.fifo ? ".fifo" : ""
  name     = "${var.name}${local.suffix}"
  dlq_name = "${var.name}-dlq${local.suffix}"

  # As long as SQS keeps anything: somebody has to look at a dead letter first.
  dlq_retention_seconds = 1209600

  # Only FIFO queues have these, and only in high-throughput mode other values than the default.
  deduplication_scope   = !var.fifo ? null : var.fifo_high_throughput ? "messageGroup" : "queue"
  fifo_throughput_limit = !var.fifo ? null : var.fifo_high_throughput ? "perMessageGroupId" : "perQueue"
}

resource "aws_sqs_queue" "queue" {
  name                       = local.name
  fifo_queue                 = var.fifo
  deduplication_scope        = local.deduplication_scope
  fifo_throughput_limit      = local.fifo_throughput_limit
  visibility_timeout_seconds = var.visibility_timeout_seconds
  receive_wait_time_seconds  = var.receive_wait_seconds
  message_retention_seconds  = var.message_retention_seconds
  max_message_size           = var.max_message_bytes
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dlq.arn
    maxReceiveCount     = var.max_receive_count
  })
}

# Without a redrive policy of its own: a look into it counts as a receive.
resource "aws_sqs_queue" "dlq" {
  name                       = local.dlq_name
  fifo_queue                 = var.fifo
  deduplication_scope        = local.deduplication_scope
  fifo_throughput_limit      = local.fifo_throughput_limit
  visibility_timeout_seconds = var.visibility_timeout_seconds
  receive_wait_time_seconds  = var.receive_wait_seconds
  message_retention_seconds  = local.dlq_retention_seconds
  max_message_size           = var.max_message_bytes
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags
}

# A resource of its own, since each of the two queues names the other.
resource "aws_sqs_queue_redrive_allow_policy" "dlq" {
  queue_url = aws_sqs_queue.dlq.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.queue.arn]
  })
}

resource "aws_sqs_queue_policy" "queue" {
  queue_url = aws_sqs_queue.queue.url
  policy    = templatefile("${path.module}/policies/tls-only.json", { arn = aws_sqs_queue.queue.arn })
}

resource "aws_sqs_queue_policy" "dlq" {
  queue_url = aws_sqs_queue.dlq.url
  policy    = templatefile("${path.module}/policies/tls-only.json", { arn = aws_sqs_queue.dlq.arn })
}
