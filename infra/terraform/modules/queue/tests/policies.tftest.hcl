# Who may do what. That it suffices and is not too much is shown by tests/tests/permissions.

mock_provider "aws" {}

override_resource {
  target = aws_sqs_queue.queue
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:billing" }
}

override_resource {
  target = aws_sqs_queue.dlq
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:billing-dlq" }
}

variables {
  name = "billing"
}

run "each_role_has_exactly_these_rights" {
  assert {
    condition = { for statement in jsondecode(output.policies["producer"]).Statement : statement.Resource => statement.Action } == {
      "arn:aws:sqs:eu-central-1:123456789012:billing" = ["sqs:SendMessage"]
    }
    error_message = "producer"
  }

  assert {
    condition = { for statement in jsondecode(output.policies["relay"]).Statement : statement.Resource => statement.Action } == {
      "arn:aws:sqs:eu-central-1:123456789012:billing"     = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
      "arn:aws:sqs:eu-central-1:123456789012:billing-dlq" = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
    }
    error_message = "relay"
  }

  assert {
    condition = { for statement in jsondecode(output.policies["consumer"]).Statement : statement.Resource => statement.Action } == {
      "arn:aws:sqs:eu-central-1:123456789012:billing"     = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      "arn:aws:sqs:eu-central-1:123456789012:billing-dlq" = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]
    }
    error_message = "consumer"
  }

  assert {
    condition = { for statement in jsondecode(output.policies["operator"]).Statement : statement.Resource => statement.Action } == {
      "arn:aws:sqs:eu-central-1:123456789012:billing" = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
      "arn:aws:sqs:eu-central-1:123456789012:billing-dlq" = [
        "sqs:CancelMessageMoveTask", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
        "sqs:ListDeadLetterSourceQueues", "sqs:ListMessageMoveTasks", "sqs:ReceiveMessage", "sqs:SendMessage", "sqs:StartMessageMoveTask",
      ]
    }
    error_message = "operator"
  }

  assert {
    condition = { for statement in jsondecode(output.policies["autoscaler"]).Statement : statement.Resource => statement.Action } == {
      "arn:aws:sqs:eu-central-1:123456789012:billing" = ["sqs:GetQueueAttributes"]
    }
    error_message = "autoscaler"
  }

  # Nothing is allowed by a wildcard.
  assert {
    condition = alltrue(flatten([
      for policy in values(output.policies) : [
        for statement in jsondecode(policy).Statement :
        [for text in concat([statement.Resource], statement.Action) : !strcontains(text, "*")]
      ]
    ]))
    error_message = "each action and each resource has its full name"
  }

  assert {
    condition = alltrue(flatten([
      for policy in values(output.policies) : [for statement in jsondecode(policy).Statement : statement.Effect == "Allow"]
    ]))
    error_message = "they only allow"
  }

  # Nobody makes purges or opens a queue.
  assert {
    condition = length(setintersection(
      toset(flatten([for policy in values(output.policies) : [for statement in jsondecode(policy).Statement : statement.Action]])),
      ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:PurgeQueue", "sqs:SetQueueAttributes", "sqs:AddPermission", "sqs:RemovePermission"],
    )) == 0
    error_message = "queues are Terraform's alone"
  }

  # An iam policy is its document.
  assert {
    condition     = { for role, policy in aws_iam_policy.role : role => policy.policy } == output.policies
    error_message = "a policy a role, with its document"
  }

  assert {
    condition     = keys(output.policy_arns) == ["autoscaler", "consumer", "operator", "producer", "relay"]
    error_message = "five roles"
  }

  assert {
    condition     = aws_iam_policy.role["operator"].name == "billing-operator"
    error_message = "named after queue and role"
  }
}

run "the_documents_are_there_without_iam_policies" {
  variables {
    create_policies = false
  }

  assert {
    condition     = length(aws_iam_policy.role) == 0 && length(output.policy_arns) == 0 && length(output.policies) == 5
    error_message = "documents only"
  }
}
