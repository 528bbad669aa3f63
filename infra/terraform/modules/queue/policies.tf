# Who may do what: a document a role, in policies/. A test of the program reads the same
# files, lets a server enforce them, and shows that they suffice and that nothing is too much.

locals {
  roles = toset(["autoscaler", "consumer", "operator", "producer", "relay"])

  statements = {
    for role in local.roles : role => jsondecode(templatefile("${path.module}/policies/${role}.json", {
      queue_arn = aws_sqs_queue.queue.arn
      dlq_arn   = aws_sqs_queue.dlq.arn
    })).Statement
  }

  # Whoever sends needs a data key, and decrypts it before use; a consumer buries what it could
  # not do. An autoscaler only counts.
  key_statements = var.kms_key_arn == null ? [] : jsondecode(templatefile("${path.module}/policies/key.json", {
    key_arn = var.kms_key_arn
  })).Statement

  documents = {
    for role in local.roles : role => jsonencode({
      Version   = "2012-10-17"
      Statement = concat(local.statements[role], role == "autoscaler" ? [] : local.key_statements)
    })
  }
}

resource "aws_iam_policy" "role" {
  for_each = var.create_policies ? local.roles : []

  name        = "${local.name}-${each.key}"
  description = "What the ${each.key} of the queue ${local.name} may do."
  policy      = local.documents[each.key]
  tags        = var.tags
}
