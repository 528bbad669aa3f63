# The queues of the reference fleet: one a consumer, as workers/src/main.rs registers them.

locals {
  consumers = toset(["billing"])
}

module "queue" {
  source   = "../../modules/queue"
  for_each = local.consumers

  name             = each.key
  alarm_topic_arns = [aws_sns_topic.pages.arn]
  tags             = var.tags
}

# Not encrypted: CloudWatch cannot publish to a topic under AWS's own key, and an alarm tells
# the names of queues and their counts, nothing of a message.
resource "aws_sns_topic" "pages" {
  #checkov:skip=CKV_AWS_26: CloudWatch cannot publish under the managed key, and alarms carry no data
  name = "fleet-pages"
  tags = var.tags
}

resource "aws_sns_topic_subscription" "mail" {
  count = var.page_email == null ? 0 : 1

  topic_arn = aws_sns_topic.pages.arn
  protocol  = "email"
  endpoint  = var.page_email
}
