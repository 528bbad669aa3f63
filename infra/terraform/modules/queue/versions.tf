terraform {
  # Validations that compare two variables came with 1.9.
  required_version = ">= 1.9.0, < 2.0.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Messages of 1 MiB came with 6.8.
      version = ">= 6.8.0, < 7.0.0"
    }
  }
}
