variable "region" {
  description = "Region of the queues; `AWS_REGION` of the fleet."
  type        = string
  default     = "eu-central-1"
}

variable "page_email" {
  description = "Address that gets a mail for every alarm. AWS asks it to confirm once. Nobody is told if null."
  type        = string
  default     = null

  validation {
    condition     = var.page_email == null || can(regex("^[^@ ]+@[^@ ]+$", var.page_email))
    error_message = "page_email must be an e-mail address."
  }
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = { application = "fleet" }
}
