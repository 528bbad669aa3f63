# What CloudWatch sees without the fleet: it pages when no process is left to be scraped.
#
# A queue that nobody uses is silent after six hours. Missing data therefore leaves an
# alarm as it is: that the consumers are gone must not resolve it.

resource "aws_cloudwatch_metric_alarm" "dlq_depth" {
  alarm_name        = "${local.dlq_name}-depth"
  alarm_description = "Dead letters of ${local.name} wait for somebody. Look: fleet dlq stats ${local.consumer}; fleet dlq group ${local.consumer}"

  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  treat_missing_data  = "ignore"

  # Both kinds together: looking into the queue puts its messages in flight, and must not
  # resolve the alarm.
  metric_query {
    id          = "depth"
    expression  = "visible + in_flight"
    label       = "messages in ${local.dlq_name}"
    return_data = true
  }

  metric_query {
    id = "visible"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.dlq.name }
      period      = 300
      stat        = "Maximum"
    }
  }

  metric_query {
    id = "in_flight"

    metric {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateNumberOfMessagesNotVisible"
      dimensions  = { QueueName = aws_sqs_queue.dlq.name }
      period      = 300
      stat        = "Maximum"
    }
  }

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "oldest_message_age" {
  alarm_name        = "${local.name}-oldest-message-age"
  alarm_description = "Messages of ${local.name} wait longer than ${var.alarm_age_seconds} s. Look: fleet queues; fleet top; fleet doctor"

  comparison_operator = "GreaterThanThreshold"
  threshold           = var.alarm_age_seconds
  evaluation_periods  = 5
  treat_missing_data  = "ignore"

  namespace   = "AWS/SQS"
  metric_name = "ApproximateAgeOfOldestMessage"
  dimensions  = { QueueName = aws_sqs_queue.queue.name }
  period      = 60
  statistic   = "Maximum"

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns
  tags          = var.tags
}
