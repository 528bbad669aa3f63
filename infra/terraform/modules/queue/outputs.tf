locals {
  consumer = coalesce(var.consumer, var.name)
  variable = "${replace(upper(local.consumer), "-", "_")}_QUEUE_URL"
}

output "queue_name" {
  description = "Name of the queue."
  value       = aws_sqs_queue.queue.name
}

output "queue_url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.queue.url
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.queue.arn
}

output "dlq_name" {
  description = "Name of the dead-letter queue."
  value       = aws_sqs_queue.dlq.name
}

output "dlq_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dlq.url
}

output "dlq_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dlq.arn
}

output "env" {
  description = "The variable by which `fleet` finds the queue: `<CONSUMER>_QUEUE_URL` and its value."
  value       = { (local.variable) = aws_sqs_queue.queue.url }
}

output "policies" {
  description = "The policy documents as JSON, by role: autoscaler, consumer, operator, producer, relay."
  value       = local.documents
}

output "policy_arns" {
  description = "The ARNs of the IAM policies, by role; empty if `create_policies` is false."
  value       = { for role, policy in aws_iam_policy.role : role => policy.arn }
}

output "alarm_arns" {
  description = "The ARNs of the alarms: `dlq_depth` and `oldest_message_age`."
  value = {
    dlq_depth          = aws_cloudwatch_metric_alarm.dlq_depth.arn
    oldest_message_age = aws_cloudwatch_metric_alarm.oldest_message_age.arn
  }
}
