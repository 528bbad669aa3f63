variable "name" {
  description = "Name of the queue: letters, digits, `-` and `_`. A FIFO queue gets `.fifo` at its end, its dead-letter queue `-dlq`."
  type        = string

  validation {
    # 80 characters in all, of which `-dlq.fifo` takes nine.
    condition     = can(regex("^[A-Za-z0-9_-]{1,71}$", var.name))
    error_message = "name must have 1 to 71 letters, digits, - or _; leave .fifo away, the module adds it where fifo is true."
  }
}

variable "consumer" {
  description = "Name of the consumer that works on the queue, as the program registers it; the output `env` names its variable after it. The queue's own name if null."
  type        = string
  default     = null

  validation {
    condition     = var.consumer == null || can(regex("^[a-z][a-z0-9-]*$", var.consumer))
    error_message = "consumer must be a registered name such as billing or mail-out: lower-case letters, digits and -."
  }
}

variable "fifo" {
  description = "Whether the queue keeps order within a message group. It cannot be changed later: SQS makes another queue."
  type        = bool
  default     = false
}

variable "fifo_high_throughput" {
  description = "Whether a FIFO queue counts its limits and its duplicates for each message group, which lifts 300 requests a second. Standard queues do not heed it."
  type        = bool
  default     = true
}

variable "visibility_timeout_seconds" {
  description = "How long a message that was received stays invisible. A consumer refuses less than twice (receive wait + 5 s)."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 2 * (var.receive_wait_seconds + 5)
    error_message = "visibility_timeout_seconds must be at least 2 x (receive_wait_seconds + 5): a receive may take half of a lease, and the consumer refuses to start with less."
  }

  validation {
    condition     = var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds must be at most 43200 (12 h), the most that SQS allows."
  }
}

variable "receive_wait_seconds" {
  description = "How long a receive waits that does not say so itself. Keep it equal to `<CONSUMER>_RECEIVE_WAIT`."
  type        = number
  default     = 20

  validation {
    condition     = var.receive_wait_seconds >= 1 && var.receive_wait_seconds <= 20
    error_message = "receive_wait_seconds must be 1 to 20: 0 is a short poll, which asks only some of SQS's servers and is paid for when it is empty."
  }
}

variable "max_receive_count" {
  description = "Receives after which SQS itself moves a message to the dead-letter queue. The fleet counts its own attempts; this is the backstop behind them."
  type        = number
  default     = 100

  validation {
    condition     = var.max_receive_count >= 65 && var.max_receive_count <= 1000
    error_message = "max_receive_count must be 65 to 1000: a message of an unknown type is received once a minute for an hour, beside five attempts, and the consumer refuses to start with less."
  }
}

variable "message_retention_seconds" {
  description = "How long SQS keeps a message that nobody takes. The dead-letter queue always keeps them for 14 days."
  type        = number
  default     = 345600

  validation {
    condition     = var.message_retention_seconds >= 60 && var.message_retention_seconds <= 950400
    error_message = "message_retention_seconds must be 60 to 950400 (11 days): on a standard queue the age of a message runs on in the dead-letter queue, where somebody needs three days of the 14 to look at it."
  }
}

variable "max_message_bytes" {
  description = "The largest message that SQS takes, attributes included."
  type        = number
  default     = 1048576

  validation {
    condition     = var.max_message_bytes >= 1024 && var.max_message_bytes <= 1048576
    error_message = "max_message_bytes must be 1024 to 1048576 (1 MiB)."
  }
}

variable "kms_key_arn" {
  description = "ARN of a KMS key of your own to encrypt with. SQS's own key (SSE-SQS) if null, which costs nothing and needs no permission."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:...:key/...), not an alias or an id: the policies name it."
  }
}

variable "alarm_topic_arns" {
  description = "ARNs of the SNS topics that hear of an alarm and of its end. The alarms exist without one, too."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:.+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}

variable "alarm_age_seconds" {
  description = "Age of the oldest message from which the queue counts as lagging."
  type        = number
  default     = 300

  validation {
    condition     = var.alarm_age_seconds >= 60
    error_message = "alarm_age_seconds must be at least 60: CloudWatch hears of a queue once a minute."
  }
}

variable "create_policies" {
  description = "Whether to make an IAM policy of each document. The documents themselves are always in the output `policies`."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
