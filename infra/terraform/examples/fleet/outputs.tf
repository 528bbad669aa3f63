output "env" {
  description = "What every process of the fleet needs to find its queues."
  value       = merge({ AWS_REGION = var.region }, [for queue in module.queue : queue.env]...)
}

output "env_file" {
  description = "The same as lines of an environment file: terraform output -raw env_file >> fleet.env"
  value = join("", [
    for name, value in merge({ AWS_REGION = var.region }, [for queue in module.queue : queue.env]...) :
    "${name}=${value}\n"
  ])
}

output "consumer_policy_arns" {
  description = "For the role of `fleet run CONSUMER`: its policy, by consumer."
  value       = { for name, queue in module.queue : name => queue.policy_arns["consumer"] }
}

output "relay_policy_arns" {
  description = "For the role of `fleet relay`: it sends to every queue."
  value       = [for queue in module.queue : queue.policy_arns["relay"]]
}

output "producer_policy_arns" {
  description = "For a program that sends to a queue itself, by consumer. One that writes the outbox needs none."
  value       = { for name, queue in module.queue : name => queue.policy_arns["producer"] }
}

output "operator_policy_arns" {
  description = "For people: `fleet dlq`, `queues`, `top`, `doctor`."
  value       = [for queue in module.queue : queue.policy_arns["operator"]]
}

output "autoscaler_policy_arns" {
  description = "For the role of KEDA's operator."
  value       = [for queue in module.queue : queue.policy_arns["autoscaler"]]
}

output "pages_topic_arn" {
  description = "The topic that hears of every alarm; subscribe whatever pages your people."
  value       = aws_sns_topic.pages.arn
}
