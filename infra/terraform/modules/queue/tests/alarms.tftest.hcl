# What CloudWatch watches, and whom it tells.

mock_provider "aws" {}

variables {
  name             = "billing"
  alarm_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:pages"]
}

run "the_dead_letter_queue_is_counted_visible_and_in_flight" {
  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.dlq_depth.metric_query : query.id => query.expression
      if query.return_data == true
    } == { depth = "visible + in_flight" }
    error_message = "the alarm is about the sum alone"
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.dlq_depth.metric_query : query.id => query.metric[0].metric_name
      if length(query.metric) == 1
      } == {
      visible   = "ApproximateNumberOfMessagesVisible"
      in_flight = "ApproximateNumberOfMessagesNotVisible"
    }
    error_message = "the parts of the sum are named as in its expression"
  }

  assert {
    condition = alltrue([
      for query in aws_cloudwatch_metric_alarm.dlq_depth.metric_query : alltrue([
        for metric in query.metric :
        metric.namespace == "AWS/SQS" && metric.dimensions == tomap({ QueueName = "billing-dlq" }) && metric.period == 300 && metric.stat == "Maximum"
      ])
    ])
    error_message = "both parts are maxima of the dead-letter queue over five minutes"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dlq_depth.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.dlq_depth.threshold == 0
    error_message = "one dead letter is enough"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dlq_depth.evaluation_periods == 3
    error_message = "for 15 minutes"
  }

  # The oldest message is watched by its age.
  assert {
    condition = [
      aws_cloudwatch_metric_alarm.oldest_message_age.namespace,
      aws_cloudwatch_metric_alarm.oldest_message_age.metric_name,
      aws_cloudwatch_metric_alarm.oldest_message_age.statistic,
      aws_cloudwatch_metric_alarm.oldest_message_age.comparison_operator,
    ] == ["AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", "GreaterThanThreshold"]
    error_message = "the age of the oldest message"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.oldest_message_age.dimensions == tomap({ QueueName = "billing" })
    error_message = "of the queue itself"
  }

  assert {
    condition = [
      aws_cloudwatch_metric_alarm.oldest_message_age.threshold,
      aws_cloudwatch_metric_alarm.oldest_message_age.period,
      aws_cloudwatch_metric_alarm.oldest_message_age.evaluation_periods,
    ] == [300, 60, 5]
    error_message = "above five minutes for five minutes"
  }

  # Silence does not resolve an alarm.
  assert {
    condition     = aws_cloudwatch_metric_alarm.dlq_depth.treat_missing_data == "ignore" && aws_cloudwatch_metric_alarm.oldest_message_age.treat_missing_data == "ignore"
    error_message = "missing data leaves an alarm as it is"
  }

  # A topic hears of beginning and end.
  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.dlq_depth, aws_cloudwatch_metric_alarm.oldest_message_age] :
      tolist(alarm.alarm_actions) == var.alarm_topic_arns && tolist(alarm.ok_actions) == var.alarm_topic_arns
    ])
    error_message = "both alarms tell the topic"
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.dlq_depth.alarm_description, "fleet dlq stats billing")
    error_message = "the description says what to type"
  }
}

run "without_a_topic_there_are_alarms_as_well" {
  variables {
    alarm_topic_arns = []
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dlq_depth.alarm_name == "billing-dlq-depth" && length(aws_cloudwatch_metric_alarm.dlq_depth.alarm_actions) == 0
    error_message = "the alarm of the dead-letter queue"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.oldest_message_age.alarm_name == "billing-oldest-message-age"
    error_message = "the alarm of the queue"
  }
}
